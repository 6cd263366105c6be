import java.util.Scanner;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;

public final class Orders {
  public static void main(String[] args) {
    try (S3Client s3 = S3Client.create();
        Scanner lines = new Scanner(System.in)) {
      while (lines.hasNextLine()) {
        String key = lines.nextLine();
        s3.putObject(put -> put.bucket("orders").key(key), RequestBody.fromString("an order"));
        System.out.println(s3.listObjectsV2(list -> list.bucket("orders")).keyCount());
      }
    }
  }
}
