//! Definitions that come in: stored where they are sound, and kept as the pipeline's error where not.

use super::Service;
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        config::Config,
        definition::{Definition, problems_text, words},
        events,
        model::Pipeline,
        source::{BUCKET, FILE, GIT, Look, Text},
        store,
    },
    store::Connection,
};
use std::{path::Path, sync::PoisonError};

impl Service {
    /// A text of a source was read: good, or bad with what is wrong.
    pub(in crate::pipelines) async fn source_changed(&self, text: Text) -> Result<()> {
        self.0.db.write(move |db| store_text(db, text)).await?;
        self.learn_hearings().await?;
        self.0.wake.notify_one();
        Ok(())
    }

    /// The texts there are of a kind: pipelines of those that are gone go too.
    pub(in crate::pipelines) async fn sources_present(
        &self,
        kind: &'static str,
        present: Vec<String>,
    ) -> Result<()> {
        let gone = move |db: &Connection| {
            let sources = store::pipeline_list(db)?.into_iter().filter(|one| one.source.starts_with(kind));
            Ok(sources.filter(|one| !present.contains(&one.source)).map(|one| one.name).collect::<Vec<_>>())
        };
        for name in self.0.db.read(gone).await? {
            tracing::info!(pipeline = name, "what defined a pipeline is gone, and the pipeline with it");
            self.0.db.write(move |db| store::pipeline_delete(db, &name)).await?;
            self.learn_hearings().await?;
        }
        Ok(())
    }

    /// A source was looked at, to its commit, or why it could not be.
    pub(in crate::pipelines) fn source_looked(
        &self,
        kind: &'static str,
        outcome: Result<Option<String>, String>,
    ) {
        let mut looks = self.0.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let look = looks.entry(kind).or_default();
        look.at = now_ms();
        match outcome {
            Ok(commit) => (look.commit, look.error) = (commit, None),
            Err(why) => {
                // The same complaint again and again helps nobody.
                if look.error.as_ref() != Some(&why) {
                    tracing::warn!(source = kind, error = why, "a source of pipelines could not be read");
                }
                look.error = Some(why);
            }
        }
    }

    /// The sources that are followed: kind, place, and how the last look went, if there was one.
    pub(in crate::pipelines) fn sources(&self) -> Vec<Source> {
        let (config, looks) =
            (&self.0.config, self.0.looks.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let git = config.git.as_ref();
        let followed = [
            (FILE, config.dir.as_ref().map(|dir| dir.display().to_string())),
            (BUCKET, config.bucket.clone()),
            (GIT, git.map(|git| git.place.clone())),
        ];
        let source = |(kind, place): (&'static str, Option<String>)| {
            let git = git.filter(|_| kind == GIT);
            Some(Source {
                kind: kind.trim_end_matches(':'),
                place: place?,
                folder: git.map(|git| git.folder.clone()).filter(|folder| !folder.is_empty()),
                reference: git.map(|git| git.reference.clone()),
                look: looks.get(kind).cloned(),
            })
        };
        followed.into_iter().filter_map(source).collect()
    }

    /// Whether a pipeline is changed where it comes from, and only there.
    pub(in crate::pipelines) fn is_followed(&self, pipeline: &Pipeline) -> bool {
        is_followed(pipeline, &self.0.config)
    }

    /// Has the Git repository looked at now.
    pub(in crate::pipelines) fn source_pushed(&self) -> Result<()> {
        match self.0.config.git {
            Some(_) => {
                self.0.pushed.notify_one();
                Ok(())
            }
            None => Err(Error::not_found("No Git repository is followed: pipelines.git names one.")),
        }
    }

    /// The folders below another in which runs and pipelines start their tasks.
    pub(in crate::pipelines) async fn folders_in_use(&self, below: &Path) -> Result<Vec<String>> {
        let below = fs_err::canonicalize(below)?.to_string_lossy().into_owned();
        self.0.db.read(move |db| store::folders_in_use(db, &below)).await
    }
}

/// A source that is followed.
pub(in crate::pipelines) struct Source {
    pub kind: &'static str,
    pub place: String,
    /// The folder in the repository whose files count, of Git.
    pub folder: Option<String>,
    /// The branch, tag or commit, of Git.
    pub reference: Option<String>,
    pub look: Option<Look>,
}

/// Whether what defines a pipeline is still followed.
fn is_followed(pipeline: &Pipeline, config: &Config) -> bool {
    (pipeline.source.starts_with(FILE) && config.dir.is_some())
        || (pipeline.source.starts_with(BUCKET) && config.bucket.is_some())
        || (pipeline.source.starts_with(GIT) && config.git.is_some())
}

/// What a source gives, only the source changes; once it is followed no more, it is anybody's.
pub(super) fn refuse_if_followed(pipeline: &Pipeline, config: &Config) -> Result<()> {
    match is_followed(pipeline, config) {
        true => {
            let (name, from) = (&pipeline.name, in_words(&pipeline.source));
            Err(Error::conflict(format!("Pipeline {name:?} comes from {from}: change it there.")))
        }
        false => Ok(()),
    }
}

fn in_words(source: &str) -> String {
    match source.split_once(':') {
        Some(("file", file)) => format!("the file {file}"),
        Some(("s3", object)) => format!("the object s3://{object}"),
        Some(("git", file)) => format!("the file {file} of the Git repository"),
        _ => "a definition given through the API".to_owned(),
    }
}

/// Stores a sound definition. The next firing is computed anew only if the schedule changed, so
/// that saving a file neither skips nor repeats one.
pub(super) fn put_definition(db: &Connection, definition: &Definition, text: Text) -> Result<()> {
    let now = now_ms();
    let old = store::pipeline_get(db, &definition.name)?;
    let paused = old.as_ref().is_some_and(|old| old.paused);
    let same_schedule =
        old.as_ref().and_then(|old| Definition::parse(&old.definition).ok()).is_some_and(|old| {
            old.schedules.iter().eq(&definition.schedules)
                && (old.start_at, old.end_at) == (definition.start_at, definition.end_at)
        });
    let next_at = match old.and_then(|old| old.next_at).filter(|_| same_schedule) {
        Some(kept) => Some(kept),
        None if paused => None,
        None => definition.first_due(store::run_last_firing(db, &definition.name)?, now),
    };
    let pipeline = Pipeline {
        name: definition.name.clone(),
        source: text.source,
        folder: text.folder,
        commit: text.commit,
        definition: text.text,
        error: None,
        rejected: None,
        paused,
        next_at,
        max_active_runs: definition.max_active_runs,
        trigger_note: None,
    };
    store::listeners_put(db, &pipeline.name, &events::asked_for(definition))?;
    store::pipeline_put(db, &pipeline, now)
}

fn store_text(db: &Connection, text: Text) -> Result<()> {
    let source = text.source.as_str();
    let old = store::pipeline_by_source(db, source)?;
    let definition = match Definition::parse(&text.text) {
        Ok(definition) => definition,
        Err(problems) => {
            let bad = Bad { source, text: &text.text, named: words::named(&text.text) };
            return store_bad_file(db, bad, old, &problems_text(&problems));
        }
    };
    let other = store::pipeline_get(db, &definition.name)?.filter(|other| other.source != source);
    // What only says that it bears the name gives way to a text that is sound.
    let (in_the_way, owner) = match other {
        Some(other) if never_good(&other) => (Some(other), None),
        other => (None, other),
    };
    if let Some(other) = owner {
        let owner = in_words(&other.source);
        let message = format!("the name {:?} is taken by {owner}", definition.name);
        return store_bad_file(db, Bad { source, text: &text.text, named: None }, old, &message);
    }
    // The file names another pipeline than before, or was only a placeholder for its error.
    if let Some(old) = old.filter(|old| old.name != definition.name) {
        store::pipeline_delete(db, &old.name)?;
    }
    put_definition(db, &definition, text)?;
    let Some(other) = in_the_way else { return Ok(()) };
    let bad = Bad { source: &other.source, text: other.rejected.as_deref().unwrap_or_default(), named: None };
    store_bad_file(db, bad, None, other.error.as_deref().unwrap_or_default())
}

/// No good text of it was ever seen.
fn never_good(pipeline: &Pipeline) -> bool {
    pipeline.definition.is_empty()
}

/// A text that cannot be taken.
struct Bad<'a> {
    source: &'a str,
    text: &'a str,
    /// The name it gives itself.
    named: Option<&'a str>,
}

/// The last good version stays; a text that never was good is shown under the name it gives itself, or its file's.
fn store_bad_file(db: &Connection, bad: Bad, old: Option<Pipeline>, message: &str) -> Result<()> {
    let Bad { source, text, named } = bad;
    if let Some(old) = &old
        && (!never_good(old) || named.is_none_or(|named| named == old.name))
    {
        return store::pipeline_set_rejected(db, &old.name, message, text);
    }
    let file = source.split_once(':').map_or(source, |(_, file)| file);
    let stem = Path::new(file).with_extension("").to_string_lossy().replace('/', ".");
    let mut name = file.replace('/', ".");
    for wanted in named.map(str::to_owned).into_iter().chain([stem]) {
        if store::pipeline_get(db, &wanted)?.is_none_or(|other| other.source == source) {
            name = wanted;
            break;
        }
    }
    if let Some(old) = old.filter(|old| old.name != name) {
        store::pipeline_delete(db, &old.name)?;
    }
    let placeholder = Pipeline {
        name,
        source: source.to_owned(),
        folder: None,
        commit: None,
        definition: String::new(),
        error: Some(message.to_owned()),
        rejected: Some(text.to_owned()),
        paused: false,
        next_at: None,
        max_active_runs: 1,
        trigger_note: None,
    };
    store::pipeline_put(db, &placeholder, now_ms())
}
