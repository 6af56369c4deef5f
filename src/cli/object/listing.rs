//! Objects and versions on the terminal.

use super::{
    super::{
        bucket::text,
        place::{bytes, with_query},
        print_json, table,
    },
    Client, Failure, Place, bucket_path, print,
};
use serde_json::Value;

/// Everything below a place, page after page, handed to `each` as it comes.
pub async fn pages(
    client: &Client,
    place: &Place,
    recursive: bool,
    mut each: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    loop {
        let delimiter = (!recursive).then_some("/");
        let query =
            [("prefix", Some(place.key.as_str())), ("delimiter", delimiter), ("after", after.as_deref())];
        let page = client.get(&with_query(bucket_path(&place.bucket, "objects"), &query)).await?;
        each(&page)?;
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

/// The entries of a list in an answer.
pub fn items<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer[field].as_array().map_or(&[], Vec::as_slice)
}

pub async fn list(client: &Client, place: &Place, recursive: bool, as_json: bool) -> Result<(), Failure> {
    let mut any = false;
    pages(client, place, recursive, |page| {
        let mut out = String::new();
        for prefix in items(page, "prefixes") {
            any = true;
            let json = serde_json::json!({ "prefix": prefix }).to_string();
            out += &if as_json { json } else { format!("{:>24}  {:>9}  {}", "", "-", text(prefix)) };
            out.push('\n');
        }
        for object in items(page, "objects") {
            any = true;
            out += &if as_json { object.to_string() } else { line(object) };
            out.push('\n');
        }
        print(&out)
    })
    .await?;
    if !any && !as_json {
        eprintln!("Nothing below {place}.");
    }
    Ok(())
}

fn line(object: &Value) -> String {
    let size = bytes(object["size"].as_u64().unwrap_or_default());
    format!("{:>24}  {size:>9}  {}", text(&object["last_modified"]), text(&object["key"]))
}

pub async fn show(
    client: &Client,
    place: &Place,
    version: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let details = client.get(&place.object()?.path("details", &[("version", version)])).await?;
    if as_json {
        return print_json(&details);
    }
    let mut rows = vec![vec!["Object".to_owned(), place.to_string()]];
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row(
        "Size",
        format!("{} ({} bytes)", bytes(details["size"].as_u64().unwrap_or_default()), details["size"]),
    );
    for (name, field) in [
        ("Type", "content_type"),
        ("Changed", "last_modified"),
        ("ETag", "etag"),
        ("Version", "version"),
        ("Storage class", "storage_class"),
        ("Owner", "owner"),
        ("Encrypted", "encryption"),
    ] {
        row(name, text(&details[field]));
    }
    for (kind, field) in [("", "checksums"), ("", "headers"), ("Metadata ", "metadata"), ("Tag ", "tags")] {
        for (name, value) in details[field].as_object().into_iter().flatten() {
            row(&format!("{kind}{name}"), text(value));
        }
    }
    if let Some(mode) = details["retention"]["mode"].as_str() {
        row("Retention", format!("{mode} until {}", text(&details["retention"]["until"])));
    }
    if details["legal_hold"] == true {
        row("Legal hold", "on".into());
    }
    print(&table(&rows))
}

/// The versions of exactly this key, newest first.
pub async fn versions_of(client: &Client, place: &Place) -> Result<Vec<Value>, Failure> {
    let (mut found, mut after, mut older) = (Vec::new(), None::<String>, None::<String>);
    loop {
        let query = [
            ("prefix", Some(place.key.as_str())),
            ("after", after.as_deref()),
            ("after_version", older.as_deref()),
        ];
        let page = client.get(&with_query(bucket_path(&place.bucket, "versions"), &query)).await?;
        let of_key = items(&page, "versions").iter().filter(|version| version["key"] == place.key);
        found.extend(of_key.cloned());
        // The key sorts before all longer ones that begin with it.
        let next = &page["next"];
        if next["after"] != place.key {
            return Ok(found);
        }
        after = next["after"].as_str().map(str::to_owned);
        older = next["after_version"].as_str().map(str::to_owned);
    }
}

pub async fn versions(client: &Client, place: &Place, as_json: bool) -> Result<(), Failure> {
    let found = versions_of(client, place.object()?).await?;
    if as_json {
        return print_json(&found);
    }
    if found.is_empty() {
        return Err(Failure::new(super::Code::NotFound, format!("{place} has no versions")));
    }
    let mut rows = vec![["VERSION", "CHANGED", "SIZE", ""].map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|version| {
        let marker = version["marker"] == true;
        let size = if marker { "-".into() } else { bytes(version["size"].as_u64().unwrap_or_default()) };
        let note = match (version["latest"] == true, marker) {
            (true, true) => "deleted",
            (true, false) => "latest",
            (false, true) => "delete marker",
            (false, false) => "",
        };
        vec![text(&version["version"]), text(&version["last_modified"]), size, note.to_owned()]
    }));
    print(&table(&rows))
}
