# s3cmd as scripts use it: a process for each call, and a configuration that says only where S3 is.
set -e
cat > .s3cfg << END
[default]
host_base = ${AWS_ENDPOINT_URL#http://}
host_bucket = ${AWS_ENDPOINT_URL#http://}
use_https = False
END
printf "an order" > an-order
while read -r key; do
  s3cmd --quiet put an-order "s3://orders/$key"
  s3cmd ls s3://orders | wc -l
done
