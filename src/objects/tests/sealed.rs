//! Encrypted objects: nothing of them is on the disk in clear, and everything comes back.

use super::*;
use crate::objects::crypt::{CustomerKey, Mode, Wish};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest, Md5};

fn customer(byte: u8) -> CustomerKey {
    let (key, md5) = (BASE64.encode([byte; 32]), BASE64.encode(Md5::digest([byte; 32])));
    CustomerKey::parse(Some("AES256"), Some(&key), Some(&md5)).unwrap().unwrap()
}

fn kms() -> Wish {
    Wish::Kms { key: None, context: None, bucket_key: false }
}

impl Bench {
    async fn put_as(&self, key: &str, body: &[u8], wish: Wish) -> ObjectInfo {
        let options = PutOptions { wish: Some(wish), ..PutOptions::default() };
        let chunks = stream::iter([Ok(Bytes::copy_from_slice(body))]);
        self.service.put("data", key, chunks, options).await.unwrap()
    }

    async fn body_with(&self, key: &str, customer: Option<&CustomerKey>) -> Vec<u8> {
        let opened = self.service.open_with("data", key, None, customer).await.unwrap();
        let size = opened.info.size;
        opened.into_stream(0..size).try_collect::<Vec<Bytes>>().await.unwrap().concat()
    }

    async fn mode(&self, key: &str) -> Option<Mode> {
        self.service.head("data", key).await.unwrap().traits.seal.map(|seal| seal.mode)
    }

    /// Whether any file under the data directory holds these bytes.
    fn on_disk(&self, wanted: &[u8]) -> bool {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if fs_err::read(path).unwrap().windows(wanted.len()).any(|bytes| bytes == wanted) {
                    return true;
                }
            }
        }
        false
    }
}

const MARK: &[u8] = b"what nobody may find";

fn marked(length: usize) -> Vec<u8> {
    MARK.iter().copied().cycle().take(length).collect()
}

#[tokio::test]
async fn small_and_large_bodies_are_encrypted_and_come_back() {
    let bench = Bench::new().await;
    for (wish, key) in [(Wish::Server, None), (kms(), None), (Wish::Customer(customer(1)), Some(customer(1)))]
    {
        for length in [0, 30, INLINE_MAX, 300_000] {
            let info = bench.put_as("k", &marked(length), wish.clone()).await;
            assert_eq!(info.size, length as u64);
            let plain = hex::encode(Md5::digest(marked(length)));
            assert_eq!(info.etag == plain, wish == Wish::Server);
            assert!(bench.body_with("k", key.as_ref()).await == marked(length));
        }
        if key.is_none() {
            let (_, part) = bench.service.get_range("data", "k", 131_000..131_200).await.unwrap();
            let part = part.try_collect::<Vec<Bytes>>().await.unwrap().concat();
            assert!(part == marked(300_000)[131_000..131_200]);
        }
    }
    assert!(!bench.on_disk(MARK));
    bench.put("plain", MARK).await;
    assert!(bench.on_disk(MARK));
    let missing = bench.service.get("data", "k").await.map(|(info, _)| info);
    assert_eq!(fault(missing), Fault::CustomerKeyNeeded);
}

#[tokio::test]
async fn a_damaged_chunk_is_an_error_and_the_others_are_read() {
    let bench = Bench::new().await;
    bench.put_as("k", &marked(300_000), Wish::Server).await;
    let blob = fs_err::read_dir(bench.folder.path().join("blobs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs_err::read(&blob).unwrap();
    bytes[200_000] ^= 1;
    fs_err::write(&blob, bytes).unwrap();
    let read = async |range: std::ops::Range<u64>| {
        let (_, stream) = bench.service.get_range("data", "k", range).await.unwrap();
        stream.try_collect::<Vec<Bytes>>().await
    };
    assert!(read(0..300_000).await.is_err());
    assert!(read(199_000..201_000).await.is_err());
    assert!(read(0..190_000).await.is_ok());
}

#[tokio::test]
async fn copies_share_bytes_unless_they_are_encrypted_in_another_way() {
    let bench = Bench::new().await;
    let body = marked(300_000);
    let copy = async |from: &str, to: &str, wish: Option<Wish>, key: Option<CustomerKey>| {
        let options = CopyOptions { wish, customer: key, ..CopyOptions::default() };
        bench.service.copy(("data", from), ("data", to), options).await
    };
    bench.put_as("server", &body, Wish::Server).await;
    copy("server", "again", None, None).await.unwrap();
    copy("server", "asked", Some(Wish::Server), None).await.unwrap();
    assert_eq!((bench.files(), bench.mode("again").await), (1, Some(Mode::Server)));
    copy("server", "mine", Some(Wish::Customer(customer(1))), None).await.unwrap();
    assert_eq!((bench.files(), bench.mode("mine").await), (2, Some(Mode::Customer)));
    assert!(bench.body_with("mine", Some(&customer(1))).await == body);
    assert_eq!(fault(copy("mine", "x", None, None).await), Fault::CustomerKeyNeeded);
    assert_eq!(fault(copy("mine", "x", None, Some(customer(2))).await), Fault::WrongCustomerKey);
    assert_eq!(fault(copy("server", "x", None, Some(customer(2))).await), Fault::CustomerKeyNotNeeded);
    copy("mine", "shared", Some(Wish::Customer(customer(1))), Some(customer(1))).await.unwrap();
    assert_eq!(bench.files(), 2);
    // What a customer's key opened stays encrypted, by the server.
    copy("mine", "back", None, Some(customer(1))).await.unwrap();
    assert_eq!((bench.files(), bench.mode("back").await), (3, Some(Mode::Server)));
    assert!(bench.body("back").await == body);
    assert!(!bench.on_disk(MARK));
}

#[tokio::test]
async fn parts_are_encrypted_with_the_uploads_key() {
    let bench = Bench::new().await;
    let options = PutOptions { wish: Some(Wish::Customer(customer(1))), ..PutOptions::default() };
    let upload = bench.service.upload_create("data", "k", options, None).await.unwrap();
    let at = ("data", "k", upload.id.as_str());
    let (first, key) = (marked(PART_MIN as usize), customer(1));
    let put = async |number: u32, body: &[u8], key: Option<&CustomerKey>| {
        let chunks = stream::iter([Ok(Bytes::copy_from_slice(body))]);
        bench.service.part_put(at, number, chunks, Promise::default(), key).await
    };
    assert_eq!(fault(put(1, b"x", None).await), Fault::CustomerKeyNeeded);
    assert_eq!(fault(put(1, b"x", Some(&customer(2))).await), Fault::WrongCustomerKey);
    let one = put(1, &first, Some(&key)).await.unwrap().part;
    bench.put("plain", b"clear").await;
    let source = PartSource { bucket: "data".into(), key: "plain".into(), ..PartSource::default() };
    let (two, _) = bench.service.part_copy(at, 2, source, Some(&key)).await.unwrap();
    let listed = [one, two.part].map(|part| ListedPart {
        number: part.number,
        etag: part.etag,
        checksums: Vec::new(),
    });
    let completion = |customer: Option<CustomerKey>| Completion {
        parts: listed.to_vec(),
        customer,
        ..Completion::default()
    };
    let wrong = bench.service.upload_complete("data", "k", &upload.id, completion(Some(customer(2)))).await;
    assert_eq!(fault(wrong), Fault::WrongCustomerKey);
    let none = bench.service.upload_complete("data", "k", &upload.id, completion(None)).await;
    assert_eq!(fault(none), Fault::CustomerKeyNeeded);
    bench.service.upload_complete("data", "k", &upload.id, completion(Some(customer(1)))).await.unwrap();
    assert!(bench.body_with("k", Some(&key)).await == [first.as_slice(), b"clear"].concat());
    assert!(!bench.on_disk(MARK));
    bench.service.delete("data", "k").await.unwrap();
    bench.service.collect(-1000).await.unwrap();
    assert_eq!(bench.files(), 0);
}
