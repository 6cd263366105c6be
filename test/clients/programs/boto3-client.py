import sys

import boto3

s3 = boto3.client("s3")
for line in sys.stdin:
    s3.put_object(Bucket="orders", Key=line.strip(), Body=b"an order")
    print(s3.list_objects_v2(Bucket="orders")["KeyCount"], flush=True)
