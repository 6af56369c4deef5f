//! Builds `web/` with npm before the crate compiles, so that `cargo build` alone embeds the UI.
//!
//! The output is `web/dist/app`; beside it `web/dist/stamp` holds the digest of the sources it was
//! built from. A build whose digest agrees does nothing, whatever the profile or target directory.
//!
//! It also says how the static binary is linked.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script names the path in its own words, and needs no fs_err"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// Everything the bundle is made of. A path that does not exist is skipped: cargo would otherwise
/// take it for changed on every build.
const SOURCES: [&str; 8] = [
    "web/src",
    "web/public",
    "web/index.html",
    "web/vite.config.ts",
    "web/tsconfig.json",
    "web/package.json",
    "web/package-lock.json",
    "docs",
];

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=web/dist/stamp");
    link();
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            for line in why.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What the static binary has to move when it starts is written as bitmaps: 3 MB less. Only there, for a dynamic
/// one would ask for a C library of 2022 or newer.
fn link() {
    let says =
        |name: &str, word: &str| std::env::var(name).is_ok_and(|text| text.split(',').any(|one| one == word));
    if says("CARGO_CFG_TARGET_ENV", "gnu") && says("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn build() -> Result<(), String> {
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo:rerun-if-changed={source}");
    }
    fs::create_dir_all("web/dist").map_err(|e| format!("cannot create web/dist: {e}"))?;
    let lock = fs::File::create("web/dist/lock").map_err(|e| format!("cannot create web/dist/lock: {e}"))?;
    // Two cargo builds with different target directories may share this checkout.
    lock.lock().map_err(|e| format!("cannot lock web/dist/lock: {e}"))?;

    let digest = digest(SOURCES).map_err(|e| format!("cannot read the web sources: {e}"))?;
    if up_to_date("web/dist/stamp", &digest) && Path::new("web/dist/app/index.html").exists() {
        return Ok(());
    }
    install()?;
    npm(&["run", "build", "--silent"])?;
    write_stamp(&digest).map_err(|e| format!("cannot write web/dist/stamp: {e}"))
}

/// Cargo watches the stamp so that a deleted `web/dist` is built again. The stamp is dated in the
/// past, because a watched file newer than this run would make the next build compile once more.
fn write_stamp(digest: &str) -> io::Result<()> {
    fs::write("web/dist/stamp", digest)?;
    let file = fs::File::options().write(true).open("web/dist/stamp")?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400))
}

/// `npm ci`, when the lockfile is not the one that `node_modules` was installed from.
fn install() -> Result<(), String> {
    const STAMP: &str = "web/node_modules/.crannog-lockfile";
    let digest =
        digest(["web/package-lock.json"]).map_err(|e| format!("cannot read web/package-lock.json: {e}"))?;
    if up_to_date(STAMP, &digest) {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"])?;
    fs::write(STAMP, digest).map_err(|e| format!("cannot write {STAMP}: {e}"))
}

fn npm(args: &[&str]) -> Result<(), String> {
    let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(name).args(args).current_dir("web").output().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => "the web UI is built with Node.js, and `npm` is not on the PATH.\n\
             hint: install Node.js 20.19 or newer with npm (Debian, Ubuntu: apt-get install nodejs npm), then run cargo again."
            .to_owned(),
        _ => format!("cannot run npm: {e}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`npm {}` failed in web/ ({}).\n{}\n{}\nhint: it needs Node.js 20.19 or newer, and the npm registry the first time; run it by hand in web/ to see more.",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout).trim(),
        String::from_utf8_lossy(&output.stderr).trim(),
    ))
}

fn up_to_date(stamp: &str, digest: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|known| known == digest)
}

/// One digest over the names and bodies of every file below `roots`.
fn digest<const N: usize>(roots: [&str; N]) -> io::Result<String> {
    let mut files = Vec::new();
    for root in roots.iter().map(Path::new).filter(|root| root.exists()) {
        walk(root, &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let body = fs::read(&file)?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update((body.len() as u64).to_le_bytes());
        hash.update(body);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        walk(&entry?.path(), files)?;
    }
    Ok(())
}
