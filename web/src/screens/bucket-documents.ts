// What the settings of a bucket are called, what they are for, and examples to begin from.

export interface Kind { id: string; title: string; about: string; admin?: boolean; examples: { label: string; document: unknown }[] }

const days = (prefix: string, expire: object) => ({ Rules: [{ ID: "rule-1", Status: "Enabled", Filter: { Prefix: prefix }, ...expire }] });

export const KINDS = (bucket: string): Kind[] => [
  {
    id: "lifecycle", title: "Lifecycle", about: "What is deleted by itself, and when.",
    examples: [
      { label: "Delete after 30 days", document: days("tmp/", { Expiration: { Days: 30 } }) },
      { label: "Drop old versions", document: days("", { NoncurrentVersionExpiration: { NoncurrentDays: 30 }, Expiration: { ExpiredObjectDeleteMarker: true } }) },
      { label: "Give up uploads", document: days("", { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 } }) },
    ],
  },
  {
    id: "cors", title: "Cross-origin access", about: "Which web pages may read and write here from a browser.",
    examples: [
      { label: "Read from anywhere", document: { CORSRules: [{ AllowedOrigins: ["*"], AllowedMethods: ["GET", "HEAD"], AllowedHeaders: ["*"], MaxAgeSeconds: 3600 }] } },
      { label: "Upload from one page", document: { CORSRules: [{ AllowedOrigins: ["https://app.example"], AllowedMethods: ["GET", "PUT", "POST"], AllowedHeaders: ["*"], ExposeHeaders: ["ETag"] }] } },
    ],
  },
  {
    id: "policy", title: "Policy", about: "Who may do what, beyond what roles give.", admin: true,
    examples: [
      { label: "Everybody reads", document: { Version: "2012-10-17", Statement: [{ Sid: "PublicRead", Effect: "Allow", Principal: "*", Action: ["s3:GetObject"], Resource: [`arn:aws:s3:::${bucket}/*`] }] } },
      { label: "One guest writes", document: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { AWS: "GUEST" }, Action: ["s3:PutObject"], Resource: [`arn:aws:s3:::${bucket}/incoming/*`] }] } },
      { label: "Nobody deletes", document: { Version: "2012-10-17", Statement: [{ Effect: "Deny", Principal: "*", Action: ["s3:DeleteObject", "s3:DeleteObjectVersion"], Resource: [`arn:aws:s3:::${bucket}/*`] }] } },
    ],
  },
  {
    id: "public-access-block", title: "Public access block", about: "Stops policies and ACLs from opening the bucket to everybody.", admin: true,
    examples: [{ label: "Block all of it", document: { BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true } }],
  },
  {
    id: "ownership", title: "Ownership", about: "Who owns what guests put here.", admin: true,
    examples: [{ label: "The bucket's owner", document: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] } }, { label: "Who puts it", document: { Rules: [{ ObjectOwnership: "ObjectWriter" }] } }],
  },
  {
    id: "encryption", title: "Encryption", about: "How new objects are encrypted on the disk.",
    examples: [
      { label: "Server's keys", document: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }] } },
      { label: "A named key", document: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms", KMSMasterKeyID: "my-key" } }] } },
    ],
  },
  {
    id: "object-lock", title: "Default retention", about: "How long new versions are kept from deletion.",
    examples: [
      { label: "30 days, governance", document: { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 30 } } } },
      { label: "1 year, compliance", document: { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: { Mode: "COMPLIANCE", Years: 1 } } } },
    ],
  },
  {
    id: "notification", title: "Notifications", about: "Which webhook or pipeline hears of new and removed objects.", admin: true,
    examples: [
      { label: "Tell a webhook", document: { QueueConfigurations: [{ Id: "new-data", QueueArn: "arn:crannog:sqs:::webhook/NAME", Events: ["s3:ObjectCreated:*"], Filter: { Key: { FilterRules: [{ Name: "prefix", Value: "incoming/" }] } } }] } },
      { label: "Start a pipeline", document: { QueueConfigurations: [{ Id: "train", QueueArn: "arn:crannog:sqs:::pipeline/NAME", Events: ["s3:ObjectCreated:*"], Filter: { Key: { FilterRules: [{ Name: "suffix", Value: ".parquet" }] } } }] } },
    ],
  },
  {
    id: "logging", title: "Access log", about: "Where a line for every request is written.",
    examples: [{ label: "Into another bucket", document: { LoggingEnabled: { TargetBucket: "logs", TargetPrefix: `${bucket}/` } } }],
  },
  {
    id: "website", title: "Website", about: "Index and error page for readers that are browsers.",
    examples: [{ label: "Index and error page", document: { IndexDocument: { Suffix: "index.html" }, ErrorDocument: { Key: "error.html" } } }],
  },
  {
    id: "tagging", title: "Tags", about: "Labels of the bucket.",
    examples: [{ label: "A tag", document: { TagSet: [{ Key: "team", Value: "vision" }] } }],
  },
];
