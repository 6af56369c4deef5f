//! The records of a dataset: upserted by their inputs, read in pages, deleted.

use super::datasets::digest;
use crate::{
    kernel::{clock::now_ms, error::Result, id},
    tracking::{
        Service,
        evaluation::{
            model::{Record, Upserted},
            record::{self, NewRecord},
            store::{datasets, records as store},
        },
        model::Page,
        search::{
            self,
            page::{Ask, Asked},
        },
    },
};

impl Service {
    /// Adds records, or merges them into those with the same inputs.
    pub async fn evaluation_records_upsert(&self, id: &str, new: Vec<NewRecord>) -> Result<Upserted> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let dataset = datasets::dataset_get(c, &id)?;
                let (now, mut count) = (now_ms(), Upserted::default());
                for new in &new {
                    let fingerprint = new.fingerprint();
                    match store::record_find(c, dataset.row, &fingerprint)? {
                        Some(mut there) => {
                            new.merge_into(&mut there);
                            store::record_update(c, &there, now)?;
                            count.updated_count += 1;
                        }
                        None => {
                            let id = format!("dr-{}", id::hex32());
                            store::record_create(c, dataset.row, &id, &fingerprint, new, now)?;
                            count.inserted_count += 1;
                        }
                    }
                }
                let schema = record::grown_schema(dataset.schema.as_deref(), &new);
                let user = new.iter().rev().find_map(NewRecord::user);
                let digest = digest(&dataset.name, now);
                datasets::dataset_renew(c, dataset.row, schema.as_deref(), &digest, user, now)?;
                datasets::dataset_recount(c, dataset.row)?;
                Ok(count)
            })
            .await
    }

    /// A page of records in the order in which they were added.
    pub async fn evaluation_records(
        &self,
        id: &str,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<Record>> {
        let limit = search::page_size(limit, search::PAGE_DEFAULT, search::PAGE_MAX)?;
        let ask = Ask::new(Asked::of("records").by("Dataset ID", &id), limit, token)?;
        let id = id.to_owned();
        self.db().read(move |c| store::record_page(c, &id, &ask)).await
    }

    /// How many of these records there were to delete.
    pub async fn evaluation_records_delete(&self, id: &str, records: Vec<String>) -> Result<i64> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let row = datasets::dataset_get(c, &id)?.row;
                let mut deleted = 0;
                for record in &records {
                    deleted += i64::from(store::record_delete(c, row, record)?);
                }
                datasets::dataset_recount(c, row)?;
                Ok(deleted)
            })
            .await
    }
}
