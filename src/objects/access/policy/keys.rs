//! The condition keys there are. A misspelt one would never hold, and a Deny that never holds is open:
//! a policy that names an unknown key is refused.

/// Keys of all of AWS that a request here can carry, or will never carry but may be asked for.
const GLOBAL: &[&str] = &[
    "calledvia",
    "calledviafirst",
    "calledvialast",
    "currenttime",
    "ec2instancesourceprivateipv4",
    "ec2instancesourcevpc",
    "epochtime",
    "federatedprovider",
    "multifactorauthage",
    "multifactorauthpresent",
    "principalaccount",
    "principalarn",
    "principalisawsservice",
    "principalorgid",
    "principalorgpaths",
    "principalservicename",
    "principalservicenameslist",
    "principaltype",
    "referer",
    "requestedregion",
    "resourceaccount",
    "resourceorgid",
    "resourceorgpaths",
    "securetransport",
    "sourceaccount",
    "sourcearn",
    "sourceidentity",
    "sourceip",
    "sourceorgid",
    "sourceorgpaths",
    "sourceowner",
    "sourcevpc",
    "sourcevpcarn",
    "sourcevpce",
    "tagkeys",
    "tokenissuetime",
    "useragent",
    "userid",
    "username",
    "viaawsservice",
    "vpcsourceip",
];

const S3: &[&str] = &[
    "accessgrantsinstancearn",
    "accesspointnetworkorigin",
    "authtype",
    "bucketkeyenabled",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "delimiter",
    "if-match",
    "if-none-match",
    "inventoryaccessibleoptionalfields",
    "locationconstraint",
    "max-keys",
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-remaining-retention-days",
    "object-lock-retain-until-date",
    "objectcreationoperation",
    "prefix",
    "requestobjecttagkeys",
    "resourceaccount",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "versionid",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Keys that go on with the name of a tag.
const TAGGED: &[&str] = &[
    "aws:principaltag",
    "aws:requesttag",
    "aws:resourcetag",
    "s3:buckettag",
    "s3:existingobjecttag",
    "s3:requestobjecttag",
];

pub const EXISTING_TAG: &str = "s3:existingobjecttag/";
pub const REQUEST_TAG: &str = "s3:requestobjecttag/";
pub const REQUEST_TAG_KEYS: &str = "s3:requestobjecttagkeys";

/// The key in lower case, save the name of a tag, which counts as it is; none for an unknown key.
pub fn normal(key: &str) -> Option<String> {
    if let Some((kind, tag)) = key.split_once('/') {
        let kind = kind.to_ascii_lowercase();
        return (TAGGED.contains(&kind.as_str()) && !tag.is_empty()).then(|| format!("{kind}/{tag}"));
    }
    let key = key.to_ascii_lowercase();
    let known = match key.split_once(':')? {
        ("aws", name) => GLOBAL.contains(&name),
        ("s3", name) => S3.contains(&name),
        _ => false,
    };
    known.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_whatever_its_case_and_a_tag_keeps_its_own() {
        assert_eq!(normal("aws:SourceIp").as_deref(), Some("aws:sourceip"));
        assert_eq!(normal("s3:ExistingObjectTag/Team").as_deref(), Some("s3:existingobjecttag/Team"));
        for unknown in ["aws:SourceIpp", "s3:ExistingObjectTag", "s3:ExistingObjectTag/", "prefix", "iam:x"] {
            assert_eq!(normal(unknown), None, "{unknown}");
        }
        assert!(GLOBAL.is_sorted() && S3.is_sorted() && TAGGED.is_sorted());
    }
}
