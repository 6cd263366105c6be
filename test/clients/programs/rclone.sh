# rclone as scripts use it: a process for each call, and a remote that says only where S3 is.
set -e
export RCLONE_CONFIG="$PWD/rclone.conf"
cat > "$RCLONE_CONFIG" << END
[s3]
type = s3
provider = Other
env_auth = true
endpoint = $AWS_ENDPOINT_URL
region = $AWS_REGION
END
while read -r key; do
  printf "an order" | rclone rcat --s3-no-check-bucket "s3:orders/$key"
  rclone lsf s3:orders | wc -l
done
