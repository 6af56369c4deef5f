//! The scrubber and fsck: what they find when the disk is not what the database says.

use super::*;
use crate::objects::fsck::{self, Kind as Found};
use std::{path::PathBuf, time::Duration};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

impl Bench {
    async fn found(&self, checksums: bool) -> Vec<(Found, String)> {
        let report = fsck::check(self.service.db(), self.service.blobs(), checksums).await.expect("checks");
        report.problems.into_iter().map(|problem| (problem.kind, problem.what)).collect()
    }

    fn file(&self) -> PathBuf {
        let mut files = fs_err::read_dir(self.folder.path().join("blobs")).expect("a folder");
        files.next().expect("a blob").expect("an entry").path()
    }
}

#[tokio::test]
async fn a_sound_store_is_found_sound() {
    let bench = Bench::new().await;
    bench.put("small", b"hello").await;
    bench.put("empty", b"").await;
    bench.put("large", &large(1, 3_000_000)).await;
    bench.service.copy(("data", "large"), ("data", "copy"), CopyOptions::default()).await.unwrap();
    let upload = bench.service.upload_create("data", "parts", PutOptions::default(), None).await.unwrap();
    bench.part(&upload, 1, &large(2, 200_000)).await;
    bench.service.delete("data", "small").await.unwrap();
    assert_eq!(bench.found(true).await, []);
    assert!(bench.service.scrub_portion(MONTH, 1000).await.unwrap() >= 2);
    let (pass, damaged) = bench.service.scrub_state().await.unwrap();
    assert!(pass.finished_ms.is_some() && damaged.is_empty());
    // The next pass begins when the period is over.
    assert_eq!(bench.service.scrub_portion(MONTH, 2000).await.unwrap(), 0);
}

#[tokio::test]
async fn a_changed_byte_is_found_and_told_with_its_object() {
    let bench = Bench::new().await;
    bench.put("large", &large(1, 3_000_000)).await;
    let mut bytes = fs_err::read(bench.file()).unwrap();
    bytes[2_000_000] ^= 1;
    fs_err::write(bench.file(), bytes).unwrap();
    assert_eq!(bench.found(false).await, []);
    let found = bench.found(true).await;
    assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Found::Blob, Found::Object]);
    assert!(found[1].1.starts_with("data/large:"), "{found:?}");
    bench.service.scrub_portion(MONTH, 1000).await.unwrap();
    assert_eq!(bench.service.scrub_state().await.unwrap().1.len(), 1);
    assert!(bench.service.scrub_line().await.unwrap().contains("1 DAMAGED"));
    // It is told until nobody uses it.
    bench.service.delete("data", "large").await.unwrap();
    bench.service.collect(-1000).await.unwrap();
    assert!(bench.service.scrub_state().await.unwrap().1.is_empty());
}

#[tokio::test]
async fn a_missing_or_short_file_is_found() {
    let bench = Bench::new().await;
    bench.put("large", &large(1, 300_000)).await;
    let file = bench.file();
    fs_err::write(&file, b"short").unwrap();
    let found = bench.found(false).await;
    assert!(found[0].1.ends_with("it has 5 bytes instead of 300000"), "{found:?}");
    fs_err::remove_file(&file).unwrap();
    let found = bench.found(false).await;
    assert!(found[0].1.ends_with("its file is missing"), "{found:?}");
}

#[tokio::test]
async fn wrong_counts_are_found() {
    let bench = Bench::new().await;
    bench.put("large", &large(1, 300_000)).await;
    bench
        .service
        .db()
        .write(|c| {
            c.execute("UPDATE bucket SET bytes = bytes + 1", [])?;
            c.execute("UPDATE object SET latest = 0", [])?;
            Ok(c.execute("UPDATE blob SET refs = 2", [])?)
        })
        .await
        .unwrap();
    let kinds: Vec<_> = bench.found(false).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Found::Totals, Found::Latest, Found::References]);
}

#[tokio::test]
async fn files_stay_as_long_as_somebody_keeps_them() {
    let bench = Bench::new().await;
    bench.put("large", &large(1, 3_000_000)).await;
    let kept = bench.service.keep_files().await;
    bench.service.delete("data", "large").await.unwrap();
    assert_eq!(bench.service.collect(-1000).await.unwrap(), 0);
    assert!(bench.file().exists());
    drop(kept);
    assert_eq!(bench.service.collect(-1000).await.unwrap(), 1);
}
