package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	client := s3.NewFromConfig(cfg)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := order(ctx, client, lines.Text()); err != nil {
			log.Fatal(err)
		}
	}
}

func order(ctx context.Context, client *s3.Client, key string) error {
	bucket := aws.String("orders")
	put := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("an order")}
	if _, err := client.PutObject(ctx, put); err != nil {
		return err
	}
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	if err != nil {
		return err
	}
	fmt.Println(*list.KeyCount)
	return nil
}
