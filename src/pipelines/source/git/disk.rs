//! Repositories and bundles on this machine's disk, and packs that were fetched.

use super::{FILE_MAX, in_words};
use gix_hash::{Kind, ObjectId};
use gix_odb::Handle;
use gix_pack::bundle::write::Options;
use gix_ref::{Target, file::Store};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// The longest line of a bundle's head, and how many there may be.
const LINE_MAX: u64 = 4096;
const LINES_MAX: usize = 100_000;
/// How many names may stand for one another in turn.
const HOPS: usize = 5;

/// The folder in which a repository keeps its objects and refs: of a bare one itself, else `.git` in it.
pub(super) fn git_dir(path: &Path) -> Result<PathBuf, String> {
    let is_one = |path: &PathBuf| path.join("objects").is_dir() && path.join("HEAD").exists();
    let found = [path.to_owned(), path.join(".git")].into_iter().find(is_one);
    let dir = found.ok_or_else(|| format!("{} is no Git repository and no bundle", path.display()))?;
    let settings = fs_err::read_to_string(dir.join("config")).unwrap_or_default().to_lowercase();
    let setting = |wanted: &str| {
        let values = settings.lines().filter_map(|line| line.split_once('='));
        values.filter(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim().to_owned()).next_back()
    };
    match (setting("objectformat"), setting("refstorage")) {
        (Some(format), _) if format != "sha1" => {
            Err(format!("the repository names its objects by {format}; only SHA-1 can be read"))
        }
        (_, Some(storage)) if storage != "files" => {
            Err(format!("the repository keeps its refs as {storage}; only files can be read"))
        }
        _ => Ok(dir),
    }
}

/// The object that the first of some names stands for in a repository.
pub(super) fn tip(git_dir: &Path, names: &[String]) -> Result<Option<ObjectId>, String> {
    let refs = Store::at(git_dir.to_owned(), Kind::Sha1);
    for name in names {
        let mut name = name.clone();
        for _ in 0..HOPS {
            match refs.try_find(name.as_str()).map_err(|error| in_words(&error))? {
                None => break,
                Some(found) => match found.target {
                    Target::Object(id) => return Ok(Some(id)),
                    Target::Symbolic(next) => name = next.as_bstr().to_string(),
                },
            }
        }
    }
    Ok(None)
}

/// The objects of a repository.
pub(super) fn open(git_dir: &Path) -> Result<Handle, String> {
    open_objects(&git_dir.join("objects"))
}

fn open_objects(dir: &Path) -> Result<Handle, String> {
    let options = gix_odb::store::init::Options {
        alloc_limit_bytes: usize::try_from(FILE_MAX).ok(),
        ..Default::default()
    };
    gix_odb::at_opts(dir, Kind::Sha1, None, options).map_err(|error| error.to_string())
}

/// The objects of a pack, indexed in an empty folder.
pub(super) fn unpack(stream: &mut dyn BufRead, folder: &Path) -> Result<Handle, String> {
    let objects = folder.join("objects");
    let packs = objects.join("pack");
    fs_err::create_dir_all(&packs).map_err(|error| error.to_string())?;
    let options = Options {
        thread_limit: Some(1),
        alloc_limit_bytes: usize::try_from(FILE_MAX).ok(),
        ..Default::default()
    };
    gix_pack::Bundle::write_to_directory(
        stream,
        Some(&packs),
        &mut gix_utils::progress::Discard,
        &AtomicBool::new(false),
        None::<gix_object::find::Never>,
        Kind::Sha1,
        options,
    )
    .map_err(|error| format!("the pack cannot be read: {}", in_words(&error)))?;
    open_objects(&objects)
}

/// A bundle: what its head says, and its pack, which follows.
pub(super) struct Bundle {
    refs: Vec<(String, ObjectId)>,
    pub pack: BufReader<fs_err::File>,
}

impl Bundle {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let mut pack = BufReader::new(fs_err::File::open(path).map_err(|error| error.to_string())?);
        let first = line(&mut pack)?;
        if first != "# v2 git bundle" && first != "# v3 git bundle" {
            return Err(format!("{} is no Git bundle", path.display()));
        }
        let mut refs = Vec::new();
        for _ in 0..LINES_MAX {
            let line = line(&mut pack)?;
            if line.is_empty() {
                return Ok(Self { refs, pack });
            }
            refs.extend(head_line(&line)?);
        }
        Err(format!("{} has too many refs", path.display()))
    }

    /// The object that the first of some names stands for.
    pub(super) fn tip(&self, names: &[String]) -> Option<ObjectId> {
        let find = |name: &String| self.refs.iter().find(|(one, _)| one == name).map(|(_, id)| *id);
        names.iter().find_map(find)
    }
}

fn line(stream: &mut impl BufRead) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut limited = std::io::Read::take(stream, LINE_MAX);
    limited.read_until(b'\n', &mut bytes).map_err(|error| error.to_string())?;
    match bytes.pop() {
        Some(b'\n') => String::from_utf8(bytes).map_err(|_| "the bundle's head is not text".into()),
        _ => Err("the bundle ends within its head".into()),
    }
}

/// A ref, or what a bundle says of itself.
fn head_line(line: &str) -> Result<Option<(String, ObjectId)>, String> {
    if let Some(ability) = line.strip_prefix('@') {
        return match ability {
            "object-format=sha1" => Ok(None),
            other => Err(format!("the bundle is made with {other}, which cannot be read")),
        };
    }
    if line.starts_with('-') {
        return Err("the bundle builds on commits that are not in it; make it without a beginning \
                    (`git bundle create FILE BRANCH`)"
            .into());
    }
    let (id, name) = line.split_once(' ').ok_or("the bundle's head cannot be read")?;
    let id = ObjectId::from_hex(id.as_bytes()).map_err(|_| format!("{id:?} is no id of an object"))?;
    Ok(Some((name.to_owned(), id)))
}
