//! House law that no compiler knows: who may import whom, where a dependency may be named, and that
//! every file says what it is. Each breach is told with file and line.

use std::path::{Path, PathBuf};

/// The floors. A module may import lower ones only.
const FLOORS: &[(&str, u8)] = &[
    ("kernel", 0),
    ("store", 1),
    ("kubernetes", 1),
    ("auth", 2),
    ("objects", 3),
    ("backup", 4),
    ("tracking", 4),
    ("registry", 5),
    ("permissions", 6),
    ("serving", 6),
    ("pipelines", 7),
    ("ui", 8),
    ("cli", 8),
    ("app", 8),
];

/// On the top floor: the commands start the server, and the server shows the UI.
const SAME_FLOOR: &[(&str, &str)] = &[("cli", "app"), ("app", "ui")];

/// Whether a file may name the crate.
type Allowed = fn(&str) -> bool;

/// A crate, and the places that may name it.
const CONFINED: &[(&str, Allowed)] = &[
    ("rusqlite", |path| {
        path.starts_with("src/store/") || path.ends_with("/store.rs") || path.contains("/store/")
    }),
    ("tract_onnx", |path| path.starts_with("src/serving/engine/")),
    ("gix_odb", |path| path.starts_with("src/pipelines/source/git/")),
    ("gix_pack", |path| path.starts_with("src/pipelines/source/git/")),
    // The log filter quiets the crate by its name.
    ("s3s", |path| path.starts_with("src/objects/") || path == "src/kernel/telemetry.rs"),
];

struct Source {
    path: String,
    lines: Vec<String>,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut open, mut found) = (vec![root.join(folder)], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(&folder).expect("a folder of the repository") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs_err::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(root).expect("inside the repository").display().to_string();
                found.push(Source { path, lines: text.lines().map(ToOwned::to_owned).collect() });
            }
        }
    }
    found
}

/// The line without its comment; a `//` inside a text is cut too, which hides nothing that matters.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Every module named right after `crate::`, also inside braces, with its line.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth: Option<u32> = None;
    for (number, line) in source.lines.iter().enumerate() {
        let mut rest = code(line);
        loop {
            match depth {
                None => {
                    let Some(at) = rest.find("crate::") else { break };
                    rest = &rest[at + "crate::".len()..];
                    if let Some(inner) = rest.strip_prefix('{') {
                        (depth, rest) = (Some(1), inner);
                    } else {
                        found.push((number + 1, word(rest).to_owned()));
                    }
                }
                Some(level) => {
                    let Some(first) = rest.chars().next() else { break };
                    match first {
                        '{' => depth = Some(level + 1),
                        '}' => depth = (level > 1).then(|| level - 1),
                        _ if level == 1 && !word(rest).is_empty() => {
                            found.push((number + 1, word(rest).to_owned()));
                            rest = &rest[word(rest).len()..];
                            rest = skip_path(rest);
                            continue;
                        }
                        _ => {}
                    }
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Past the `::a::b as c` that follows a module's name, up to a brace, a comma or the line's end.
fn skip_path(text: &str) -> &str {
    let end = text.find(['{', '}', ',']).unwrap_or(text.len());
    &text[end..]
}

#[test]
fn every_file_opens_with_what_it_is() {
    let all = ["src", "tests"].into_iter().flat_map(sources);
    let silent: Vec<_> = all
        .filter(|source| !source.lines.first().is_some_and(|line| line.starts_with("//! ")))
        .map(|source| format!("{}:1: the first line is not `//! ...`", source.path))
        .collect();
    assert!(silent.is_empty(), "\n{}", silent.join("\n"));
}

#[test]
fn a_floor_imports_lower_floors_only() {
    let mut breaches = Vec::new();
    for source in sources("src") {
        let own = source.path.split('/').nth(1).unwrap_or_default();
        let Some(own_floor) = floor(own) else { continue };
        for (line, module) in imports(&source) {
            let Some(other) = floor(&module) else { continue };
            let allowed = module == own || other < own_floor || SAME_FLOOR.contains(&(own, module.as_str()));
            if !allowed {
                breaches.push(format!(
                    "{}:{line}: {own} (floor {own_floor}) imports {module} (floor {other}); use an event or a trait wired in app",
                    source.path
                ));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn a_confined_crate_is_named_in_its_own_rooms_only() {
    let mut breaches = Vec::new();
    for source in sources("src") {
        for (number, line) in source.lines.iter().enumerate() {
            let words = code(line).split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for name in words
                .filter(|name| CONFINED.iter().any(|(one, allowed)| one == name && !allowed(&source.path)))
            {
                breaches.push(format!("{}:{}: {name} is named outside its rooms", source.path, number + 1));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn the_import_reader_sees_through_braces() {
    let text = "use crate::{\n    auth::{self, Role}, // a comment\n    kernel::{error::{Error, Kind}, id},\n};\nfn f() { crate::serving::go() }";
    let source = Source { path: "x".into(), lines: text.lines().map(ToOwned::to_owned).collect() };
    let expected = [(2, "auth"), (3, "kernel"), (5, "serving")].map(|(line, name)| (line, name.to_owned()));
    assert_eq!(imports(&source), expected);
}
