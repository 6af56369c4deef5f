//! `crannog fsck`: whether what the database says and what the disk has agree. It changes nothing.

use super::{
    scrub::flaw,
    store::{self, audit::Owned},
};
use crate::{
    kernel::error::Result,
    store::{Db, blob::Blobs, snapshot},
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Blobs looked at in one go.
const PAGE: usize = 256;
/// Findings of one kind told one by one; beyond it they are counted.
const TOLD_MAX: usize = 100;

/// What was looked at and what was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub buckets: u64,
    /// Versions and parts.
    pub objects: u64,
    pub blobs: u64,
    pub bytes: u64,
    /// Whether the bytes were compared with their checksums.
    pub checksums: bool,
    pub problems: Vec<Problem>,
    /// Problems beyond those told.
    pub more: u64,
    /// Files no row names. No problem: the collector takes them after a grace.
    pub unowned_files: u64,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub kind: Kind,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SQLite finds its own file broken.
    Database,
    /// An object or a part names bytes that are not there.
    Object,
    /// A blob is missing, or not what was written.
    Blob,
    /// A blob is counted for more or fewer owners than it has: bytes leak, or would be let go too soon.
    References,
    /// A bucket's running totals are not those of its objects.
    Totals,
    /// A key's latest version is not the one marked so.
    Latest,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn find(&mut self, kind: Kind, what: String) {
        let told = self.problems.iter().filter(|problem| problem.kind == kind).count();
        if told < TOLD_MAX {
            self.problems.push(Problem { kind, what });
        } else {
            self.more += 1;
        }
    }
}

/// What objects and parts say about blobs.
#[derive(Default)]
struct Owners {
    objects: u64,
    /// For each blob: how many own it, and how far into it they reach.
    blobs: HashMap<String, (i64, u64)>,
    wrong_sizes: Vec<(String, String)>,
    /// Who owns the blobs that turn out bad is looked up in a second walk.
    buckets: u64,
}

impl Owners {
    fn see(&mut self, owned: Owned) {
        self.objects += 1;
        let mut seen = HashSet::new();
        for extent in &owned.extents {
            let (owners, reach) = self.blobs.entry(extent.blob().to_owned()).or_default();
            *owners += i64::from(seen.insert(extent.blob()));
            *reach = (*reach).max(extent.offset() + extent.length());
        }
        let total: u64 = owned.extents.iter().map(|extent| extent.length()).sum();
        if total != owned.size {
            self.wrong_sizes.push((owned.bucket, owned.key));
        }
    }
}

/// Checks everything; `checksums` reads all bytes.
pub async fn check(db: &Db, blobs: &Blobs, checksums: bool) -> Result<Report> {
    let mut report = Report { checksums, ..Report::default() };
    check_tables(db, &mut report).await?;
    // Files first: a blob committed in between then has its row.
    let files = blobs.unclaimed_before(i64::MAX).await?;
    let mut owners = db
        .read(|c| {
            let mut owners =
                Owners { buckets: store::bucket::bucket_list(c)?.len() as u64, ..Owners::default() };
            store::audit::owners(c, |owned| owners.see(owned))?;
            Ok(owners)
        })
        .await?;
    (report.buckets, report.objects) = (owners.buckets, owners.objects);
    for (bucket, key) in std::mem::take(&mut owners.wrong_sizes) {
        report.find(Kind::Object, format!("{bucket}/{key}: its size is not that of its bytes"));
    }
    let (known, bad) = check_blobs(db, blobs, &mut owners, &mut report).await?;
    report.unowned_files = files.iter().filter(|file| !known.contains(*file)).count() as u64;
    check_owners(db, owners, bad, &mut report).await?;
    Ok(report)
}

async fn check_tables(db: &Db, report: &mut Report) -> Result<()> {
    let (integrity, totals, latest, homeless) = db
        .read(|c| {
            Ok((
                snapshot::integrity(c)?,
                store::audit::wrong_totals(c)?,
                store::audit::wrong_latest(c)?,
                store::audit::homeless(c)?,
            ))
        })
        .await?;
    integrity.into_iter().for_each(|what| report.find(Kind::Database, what));
    for (bucket, said, is) in totals {
        let what =
            format!("{bucket}: counted {} objects, {} bytes; there are {}, {}", said.0, said.1, is.0, is.1);
        report.find(Kind::Totals, what);
    }
    for (bucket, key) in latest {
        report.find(Kind::Latest, format!("{bucket}/{key}: the newest version is not marked as the latest"));
    }
    for (bucket, key) in homeless {
        report.find(Kind::Object, format!("{bucket}/{key}: its bucket does not exist"));
    }
    Ok(())
}

/// Looks at every blob's row and file; answers the blobs there are, and those that are bad.
async fn check_blobs(
    db: &Db,
    blobs: &Blobs,
    owners: &mut Owners,
    report: &mut Report,
) -> Result<(HashSet<String>, HashSet<String>)> {
    let (mut known, mut bad, mut after) = (HashSet::new(), HashSet::new(), String::new());
    loop {
        let from = after.clone();
        let rows = db.read(move |c| store::audit::blob_page(c, &from, PAGE)).await?;
        let last = rows.len() < PAGE;
        for row in rows {
            after.clone_from(&row.id);
            report.blobs += 1;
            report.bytes += row.size;
            let (owned, reach) = owners.blobs.remove(&row.id).unwrap_or_default();
            let mut wrong = flaw(blobs, &row, report.checksums).await?;
            if wrong.is_none() && reach > row.size {
                wrong = Some(format!("it has {} bytes, and {reach} are asked of it", row.size));
            }
            if let Some(what) = wrong {
                // A blob nobody owns may be gone already; one that went meanwhile is no finding.
                if still_owned(db, &row.id).await? {
                    report.find(Kind::Blob, format!("{}: {what}", row.id));
                    bad.insert(row.id.clone());
                }
            } else if owned != row.refs && !moved(db, &row.id, row.refs).await? {
                report.find(
                    Kind::References,
                    format!("{}: counted for {} owners, has {owned}", row.id, row.refs),
                );
            }
            known.insert(row.id);
        }
        if last {
            return Ok((known, bad));
        }
    }
}

async fn still_owned(db: &Db, id: &str) -> Result<bool> {
    let id = id.to_owned();
    let row = db.read(move |c| store::audit::blob_find(c, &id)).await?;
    Ok(row.is_some_and(|row| row.refs > 0))
}

/// Whether a running server has changed the count since it was read.
async fn moved(db: &Db, id: &str, refs: i64) -> Result<bool> {
    let id = id.to_owned();
    db.read(move |c| {
        let mut owned = 0;
        store::audit::owners(c, |one| owned += i64::from(one.extents.iter().any(|e| e.blob() == id)))?;
        Ok(store::audit::blob_find(c, &id)?.is_none_or(|row| row.refs != refs || row.refs == owned))
    })
    .await
}

/// Names the objects that lost bytes: to a bad blob, or to one that has no row.
async fn check_owners(db: &Db, owners: Owners, bad: HashSet<String>, report: &mut Report) -> Result<()> {
    let missing: HashSet<String> = owners.blobs.into_keys().collect();
    if missing.is_empty() && bad.is_empty() {
        return Ok(());
    }
    let found = db
        .read(move |c| {
            let mut found = Vec::new();
            // What is missing is looked at again: a row may have been written since the first walk.
            let mut gone = HashSet::new();
            for id in missing {
                if store::audit::blob_find(c, &id)?.is_none() {
                    gone.insert(id);
                }
            }
            store::audit::owners(c, |owned| {
                let lost = |extent: &super::model::Extent| gone.contains(extent.blob());
                let spoilt = |extent: &super::model::Extent| bad.contains(extent.blob());
                if owned.extents.iter().any(lost) {
                    found.push(format!("{}/{}: bytes of it have no row", owned.bucket, owned.key));
                } else if owned.extents.iter().any(spoilt) {
                    found.push(format!("{}/{}: bytes of it are missing or damaged", owned.bucket, owned.key));
                }
            })?;
            Ok(found)
        })
        .await?;
    found.into_iter().for_each(|what| report.find(Kind::Object, what));
    Ok(())
}
