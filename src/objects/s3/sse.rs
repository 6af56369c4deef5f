//! The headers of encryption at rest: what a request wishes, which key it brings, what an answer tells.

use super::{
    super::{
        crypt::{CustomerKey, Mode, Seal, Wish},
        error::Fault,
        model::Traits,
    },
    convert, refuse,
};
use http::{HeaderMap, HeaderValue};
use s3s::{
    S3ErrorCode, S3Result,
    dto::{SSECustomerAlgorithm, ServerSideEncryption},
};

const HEADER: &str = "x-amz-server-side-encryption";
const CUSTOMER_ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const CUSTOMER_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";

/// What a request that writes says about encryption.
pub struct Wished<'a> {
    pub algorithm: Option<&'a str>,
    pub kms_key: Option<&'a str>,
    pub context: Option<&'a str>,
    pub bucket_key: bool,
    pub customer: Option<CustomerKey>,
}

/// The wish in the fields of a request that writes an object.
macro_rules! wish {
    ($input:expr) => {
        $crate::objects::s3::sse::make_wish($crate::objects::s3::sse::Wished {
            algorithm: $input.server_side_encryption.as_ref().map(|algorithm| algorithm.as_str()),
            kms_key: $input.ssekms_key_id.as_deref(),
            context: $input.ssekms_encryption_context.as_deref(),
            bucket_key: $input.bucket_key_enabled == Some(true),
            customer: $crate::objects::s3::sse::customer!($input)?,
        })
    };
}

/// The customer's key in the fields of a request.
macro_rules! customer {
    ($input:expr) => {
        $crate::objects::s3::sse::parse_customer(
            $input.sse_customer_algorithm.as_deref(),
            $input.sse_customer_key.as_deref(),
            $input.sse_customer_key_md5.as_deref(),
        )
    };
}

/// The key of the source a request copies from.
macro_rules! source_customer {
    ($input:expr) => {
        $crate::objects::s3::sse::parse_customer(
            $input.copy_source_sse_customer_algorithm.as_deref(),
            $input.copy_source_sse_customer_key.as_deref(),
            $input.copy_source_sse_customer_key_md5.as_deref(),
        )
    };
}

/// Tells in an answer how the object is encrypted.
macro_rules! tell {
    ($output:expr, $told:expr) => {
        if let Some(told) = $told {
            $output.server_side_encryption = told.algorithm;
            $output.ssekms_key_id = told.kms_key;
            $output.bucket_key_enabled = told.bucket_key;
            $output.sse_customer_algorithm = told.customer_algorithm;
            $output.sse_customer_key_md5 = told.customer_md5;
        }
    };
}

pub(super) use {customer, source_customer, tell, wish};

pub fn parse_customer(
    algorithm: Option<&str>,
    key: Option<&str>,
    md5: Option<&str>,
) -> S3Result<Option<CustomerKey>> {
    CustomerKey::parse(algorithm, key, md5).map_err(|fault| convert::error(fault.into()))
}

pub fn make_wish(wished: Wished<'_>) -> S3Result<Option<Wish>> {
    let invalid = |message: &'static str| Err(refuse(S3ErrorCode::InvalidArgument, message));
    if wished.customer.is_some() && (wished.algorithm.is_some() || wished.kms_key.is_some()) {
        return invalid(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        );
    }
    match wished.algorithm {
        None if wished.kms_key.is_some() || wished.context.is_some() => invalid(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
        ),
        None => Ok(wished.customer.map(Wish::Customer)),
        Some(ServerSideEncryption::AES256) if wished.kms_key.is_some() || wished.context.is_some() => {
            invalid(
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
            )
        }
        Some(ServerSideEncryption::AES256) => Ok(Some(Wish::Server)),
        Some(ServerSideEncryption::AWS_KMS) => Ok(Some(Wish::Kms {
            key: wished.kms_key.map(str::to_owned),
            context: wished.context.map(str::to_owned),
            bucket_key: wished.bucket_key,
        })),
        Some(ServerSideEncryption::AWS_KMS_DSSE) => Err(refuse(
            S3ErrorCode::NotImplemented,
            "Encryption in two layers (aws:kms:dsse) is not supported.",
        )),
        Some(_) => invalid("The encryption method specified is not supported"),
    }
}

/// How an object is encrypted is asked for when it is written, not when it is read.
pub fn check_read(headers: &HeaderMap) -> S3Result<()> {
    if headers.contains_key(HEADER) {
        let message = "x-amz-server-side-encryption header is not supported for this operation.";
        return Err(refuse(S3ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

/// Whoever may not read an object's bytes for want of its key is told nothing else of it either.
pub fn check_key(seal: Option<&Seal>, customer: Option<&CustomerKey>) -> S3Result<()> {
    let checked = match (seal, customer) {
        (Some(seal), customer) => seal.check_customer(customer),
        (None, Some(_)) => Err(Fault::CustomerKeyNotNeeded),
        (None, None) => Ok(()),
    };
    checked.map_err(|fault| convert::error(fault.into()))
}

/// What an answer tells.
pub struct Told {
    pub algorithm: Option<ServerSideEncryption>,
    pub kms_key: Option<String>,
    pub bucket_key: Option<bool>,
    pub customer_algorithm: Option<SSECustomerAlgorithm>,
    pub customer_md5: Option<String>,
}

pub fn told(traits: &Traits, customer: Option<&CustomerKey>) -> Option<Told> {
    let seal = traits.seal.as_ref()?;
    let algorithm = |name: &'static str| Some(ServerSideEncryption::from_static(name));
    let mut told = Told {
        algorithm: None,
        kms_key: None,
        bucket_key: None,
        customer_algorithm: None,
        customer_md5: None,
    };
    match &seal.mode {
        Mode::Server => told.algorithm = algorithm(ServerSideEncryption::AES256),
        Mode::Kms { key, bucket_key, .. } => {
            told.algorithm = algorithm(ServerSideEncryption::AWS_KMS);
            told.kms_key = Some(key.clone());
            told.bucket_key = bucket_key.then_some(true);
        }
        Mode::Customer => {
            told.customer_algorithm = Some("AES256".to_owned());
            told.customer_md5 = customer.map(|customer| customer.md5().to_owned());
        }
    }
    Some(told)
}

/// The same as headers, for an answer whose type has no fields for a customer's key.
pub fn tell_customer(headers: &mut HeaderMap, traits: &Traits, customer: Option<&CustomerKey>) {
    let Some(told) = told(traits, customer) else { return };
    for (name, value) in [(CUSTOMER_ALGORITHM, told.customer_algorithm), (CUSTOMER_MD5, told.customer_md5)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(algorithm: Option<&str>, kms_key: Option<&str>) -> Option<String> {
        let wished = Wished { algorithm, kms_key, context: None, bucket_key: false, customer: None };
        make_wish(wished).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn headers_that_contradict_one_another_are_refused() {
        assert_eq!(code(None, None), None);
        assert_eq!(code(Some("AES256"), None), None);
        assert_eq!(code(Some("aws:kms"), Some("k")), None);
        let invalid = Some("InvalidArgument");
        assert_eq!(code(None, Some("k")).as_deref(), invalid);
        assert_eq!(code(Some("AES256"), Some("k")).as_deref(), invalid);
        assert_eq!(code(Some("aes:kms"), None).as_deref(), invalid);
        assert_eq!(code(Some("aws:kms:dsse"), None).as_deref(), Some("NotImplemented"));
    }
}
