/** @module The region that the AWS files of this machine say, when nobody else did. */

/** The region of `profile` (or of `AWS_PROFILE`, or `default`) in the shared config file. */
export async function regionOfProfile(profile: string | undefined): Promise<string | undefined> {
  const { STSClient } = await import("@aws-sdk/client-sts");
  const client = new STSClient(profile === undefined ? {} : { profile });
  try {
    return await client.config.region();
  } catch {
    // The SDK says "Region is missing"; that nobody said one is an answer here, not a fault.
    return undefined;
  } finally {
    client.destroy();
  }
}
