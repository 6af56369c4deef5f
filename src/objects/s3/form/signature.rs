//! Who vouches for a form's policy: the signature over it, of version 4 or of version 2.
//!
//! SigV2 is refused for requests unless the operator allows it, because it signs neither the body nor most headers. A form is
//! different: what is signed is the policy, which says by itself what it allows and until when, and
//! pages that carry such forms are older than SigV4.

use super::{
    super::{super::access::asked::Version, refuse},
    fields::{Fields, argument},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use s3s::{S3ErrorCode, S3Result};
use sha1::Sha1;
use sha2::Sha256;

/// A claim that a key's owner signed the policy.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    V2 { access_key: &'a str, signature: &'a str },
    V4 { access_key: &'a str, date: &'a str, region: &'a str, service: &'a str, signature: &'a str },
}

impl<'a> Claim<'a> {
    /// The claim of a form; none when it makes none and carries no policy.
    pub fn of(fields: &'a Fields) -> S3Result<Option<Self>> {
        if let Some(algorithm) = fields.get("x-amz-algorithm") {
            if algorithm != "AWS4-HMAC-SHA256" {
                return Err(argument("x-amz-algorithm must be AWS4-HMAC-SHA256."));
            }
            require(fields, "policy")?;
            return Self::v4(fields).map(Some);
        }
        let old = fields.get("policy").is_some()
            || fields.get("signature").is_some()
            || fields.get("awsaccesskeyid").is_some();
        if !old {
            return Ok(None);
        }
        require(fields, "policy")?;
        let access_key = require(fields, "awsaccesskeyid")?;
        Ok(Some(Self::V2 { access_key, signature: require(fields, "signature")? }))
    }

    fn v4(fields: &'a Fields) -> S3Result<Self> {
        let credential = require(fields, "x-amz-credential")?;
        let time = require(fields, "x-amz-date")?;
        let signature = require(fields, "x-amz-signature")?;
        let mut scope = credential.rsplitn(5, '/');
        let (end, service, region, date, access_key) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next());
        match (end, service, region, date, access_key) {
            (Some("aws4_request"), Some(service), Some(region), Some(date), Some(access_key))
                if date.len() == 8 && time.starts_with(date) =>
            {
                Ok(Self::V4 { access_key, date, region, service, signature })
            }
            _ => Err(argument(
                "The x-amz-credential field must be <key>/<date>/<region>/<service>/aws4_request, of the day of x-amz-date.",
            )),
        }
    }

    pub fn access_key(&self) -> &'a str {
        match self {
            Self::V2 { access_key, .. } | Self::V4 { access_key, .. } => access_key,
        }
    }

    pub fn version(&self) -> Version {
        match self {
            Self::V2 { .. } => Version::V2,
            Self::V4 { .. } => Version::V4,
        }
    }

    /// Refuses a text, a form's policy as the field has it for one, that was not signed with this secret.
    pub fn check(&self, secret: &str, text: &str) -> S3Result<()> {
        if self.holds(secret, text) {
            return Ok(());
        }
        Err(refuse(
            S3ErrorCode::SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ))
    }

    fn holds(&self, secret: &str, policy: &str) -> bool {
        match self {
            Self::V2 { signature, .. } => {
                let mut mac =
                    Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
                mac.update(policy.as_bytes());
                BASE64.decode(signature).is_ok_and(|given| mac.verify_slice(&given).is_ok())
            }
            Self::V4 { date, region, service, signature, .. } => {
                let first = sha256(format!("AWS4{secret}").as_bytes(), date).finalize().into_bytes();
                let key = [*region, *service, "aws4_request"]
                    .iter()
                    .fold(first, |key, word| sha256(&key, word).finalize().into_bytes());
                hex::decode(signature).is_ok_and(|given| sha256(&key, policy).verify_slice(&given).is_ok())
            }
        }
    }
}

fn sha256(key: &[u8], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac
}

fn require<'a>(fields: &'a Fields, name: &str) -> S3Result<&'a str> {
    fields.get(name).ok_or_else(|| {
        argument(format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.set(name, (*value).to_owned()));
        fields
    }

    /// The example of Amazon's documentation of POST uploads.
    const POLICY: &str = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn the_documented_signature_holds_and_no_other() {
        let fields = form(&[
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
            ("x-amz-date", "20151229T000000Z"),
            ("x-amz-signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
            ("policy", POLICY),
        ]);
        let claim = Claim::of(&fields).unwrap().unwrap();
        assert_eq!(claim.access_key(), "AKIAIOSFODNN7EXAMPLE");
        assert!(claim.holds(SECRET, POLICY));
        assert!(!claim.holds("other", POLICY));
        assert!(!claim.holds(SECRET, &POLICY[1..]));
    }

    #[test]
    fn an_old_form_is_signed_with_sha1() {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
        mac.update(b"cG9saWN5");
        let signature = BASE64.encode(mac.finalize().into_bytes());
        let fields = form(&[("awsaccesskeyid", "AKID"), ("signature", &signature), ("policy", "cG9saWN5")]);
        let claim = Claim::of(&fields).unwrap().unwrap();
        assert!(claim.holds("secret", "cG9saWN5"));
        assert!(!claim.holds("Secret", "cG9saWN5") && !claim.holds("secret", "cG9saWN6"));
    }

    #[test]
    fn half_a_claim_is_refused_and_none_is_anonymous() {
        assert_eq!(Claim::of(&form(&[("key", "k")])).unwrap(), None);
        for half in [
            vec![("policy", "x")],
            vec![("policy", "x"), ("awsaccesskeyid", "A")],
            vec![("awsaccesskeyid", "A"), ("signature", "s")],
            vec![("x-amz-algorithm", "AWS4-HMAC-SHA256"), ("policy", "x")],
            vec![("x-amz-algorithm", "AWS2"), ("policy", "x")],
        ] {
            assert!(Claim::of(&form(&half)).is_err());
        }
    }
}
