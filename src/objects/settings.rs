//! The settings of a bucket: named JSON documents, each read into its type once and then shared.

use crate::kernel::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

/// A document a bucket can carry, under a name of its own.
pub trait Setting: Serialize + DeserializeOwned + Send + Sync + 'static {
    const NAME: &'static str;
}

/// Every setting of one bucket, as it was when the bucket was read.
#[derive(Debug, Default)]
pub struct Settings(HashMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    text: String,
    parsed: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Settings {
    pub fn new(documents: impl IntoIterator<Item = (String, String)>) -> Self {
        let entry = |(name, text)| (name, Entry { text, parsed: OnceLock::new() });
        Self(documents.into_iter().map(entry).collect())
    }

    /// The setting, if the bucket has it. A document that cannot be read is an error: to pass over a
    /// policy or a lock would open what it closes.
    pub fn get<T: Setting>(&self) -> Result<Option<Arc<T>>> {
        let Some(entry) = self.0.get(T::NAME) else { return Ok(None) };
        let parsed = match entry.parsed.get() {
            Some(parsed) => parsed.clone(),
            None => {
                let parsed: T = serde_json::from_str(&entry.text).map_err(Error::internal)?;
                entry.parsed.get_or_init(|| Arc::new(parsed)).clone()
            }
        };
        parsed.downcast().map(Some).map_err(|_| Error::internal(format!("two types share {}", T::NAME)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Serialize)]
    struct Limit(u64);
    impl Setting for Limit {
        const NAME: &'static str = "limit";
    }

    #[test]
    fn a_setting_is_read_once_and_a_broken_one_is_an_error() {
        let settings = Settings::new([("limit".to_owned(), "7".to_owned())]);
        let (one, two) = (settings.get::<Limit>().unwrap(), settings.get::<Limit>().unwrap());
        assert_eq!(one.as_ref().map(|limit| limit.0), Some(7));
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
        assert!(Settings::default().get::<Limit>().unwrap().is_none());
        assert!(Settings::new([("limit".to_owned(), "x".to_owned())]).get::<Limit>().is_err());
    }
}
