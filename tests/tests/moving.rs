//! The applications that were moved: what their authors had before is what the diffs in the chapter take
//! back, and that builds on plain SeaORM; nothing but types and the place that connects was changed; and
//! the chapter counts right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const APPLICATIONS: [&str; 3] = ["axum-library", "graphql-shop", "worker-invoices"];

/// The only source file in which more than types was changed.
const CONNECTS: &str = "src/database.rs";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn diff_of(name: &str) -> PathBuf {
    workspace().join(format!("docs/moving/{name}.diff"))
}

/// All files below `folder`, as paths relative to it.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The program as it was before, put into `folder`: the package without its tests, the diff taken back.
fn take_back(name: &str, folder: &Path) -> Result<()> {
    let package = workspace().join("examples").join(name);
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for file in files(&package.join("src"))? {
        let copy = folder.join("src").join(&file);
        fs::create_dir_all(copy.parent().context("a folder")?)?;
        fs::copy(package.join("src").join(&file), copy)?;
    }
    fs::copy(package.join("Cargo.toml"), folder.join("Cargo.toml"))?;
    let diff = fs::File::open(diff_of(name))?;
    let mut patch = Command::new("patch");
    patch.args([
        "--reverse",
        "--strip=1",
        "--fuzz=0",
        "--no-backup-if-mismatch",
    ]);
    let output = patch.current_dir(folder).stdin(diff).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{name}: {said}");
    // the tests start servers with the kit, which is no part of the program
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let (program, _) = manifest
        .split_once("\n[dev-dependencies]")
        .context("tests")?;
    let manifest = format!("{program}\n[lints]\nworkspace = true\n");
    Ok(fs::write(folder.join("Cargo.toml"), manifest)?)
}

/// Without the lines of `use`, in which names are sorted, and without what formatting decides.
fn substance(source: &str) -> String {
    let mut kept = String::new();
    let mut in_use = false;
    for line in source.lines() {
        in_use |= line.starts_with("use ");
        if !in_use {
            kept.extend(line.split_whitespace());
        }
        in_use &= !line.ends_with(';');
    }
    kept.replace(",)", ")")
}

fn with_our_types(source: &str) -> String {
    source
        .replace("DatabaseConnection", "SplitConnection")
        .replace("DatabaseTransaction", "SplitTransaction")
}

#[test]
fn the_applications_as_they_were_build_on_plain_seaorm() -> Result<()> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("before");
    for name in APPLICATIONS {
        let folder = root.join(name);
        take_back(name, &folder)?;
        for file in files(&folder)? {
            let text = fs::read_to_string(folder.join(&file))?;
            let ours = text.contains("orm-split =") || text.contains("orm_split");
            ensure!(!ours, "{name}: {} knows of us", file.display());
        }
    }
    // the same dependencies, lints and profiles: what was built for the workspace is used again
    let manifest = fs::read_to_string(workspace().join("Cargo.toml"))?;
    let (_, shared) = manifest
        .split_once("[workspace.package]")
        .context("no workspace")?;
    let (shared, _) = shared.split_once("\n[package]\n").context("no package")?;
    let members = "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n\n[workspace.package]";
    fs::write(root.join("Cargo.toml"), format!("{members}{shared}"))?;
    fs::copy(workspace().join("Cargo.lock"), root.join("Cargo.lock"))?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
    let checked = Command::new(env!("CARGO"))
        .args([
            "check",
            "--offline",
            "--workspace",
            "--quiet",
            "--target-dir",
        ])
        .arg(target)
        .current_dir(&root)
        .output()?;
    let said = String::from_utf8_lossy(&checked.stderr);
    ensure!(checked.status.success(), "{said}");
    Ok(())
}

#[test]
fn nothing_but_types_was_changed_outside_of_the_place_that_connects() -> Result<()> {
    for name in APPLICATIONS {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("compared")
            .join(name);
        take_back(name, &folder)?;
        let package = workspace().join("examples").join(name);
        for file in files(&folder)?
            .iter()
            .filter(|file| file.starts_with("src"))
        {
            let before = fs::read_to_string(folder.join(file))?;
            let after = fs::read_to_string(package.join(file))?;
            let same = substance(&with_our_types(&before)) == substance(&after);
            let connects = file == Path::new(CONNECTS);
            ensure!(same != connects, "{name}: {}", file.display());
        }
    }
    Ok(())
}

/// Lines that a diff takes away and adds.
fn lines<'a>(diff: impl Iterator<Item = &'a str> + Clone) -> (usize, usize) {
    let count = |sign: &str, head: &str| {
        let changed = diff.clone().filter(|line| line.starts_with(sign));
        changed.filter(|line| !line.starts_with(head)).count()
    };
    (count("-", "--- "), count("+", "+++ "))
}

/// The row of the chapter's table.
fn row(name: &str) -> Result<String> {
    let source = workspace().join("examples").join(name).join("src");
    let mut all = 0;
    for file in files(&source)? {
        all += fs::read_to_string(source.join(file))?.lines().count();
    }
    let diff = fs::read_to_string(diff_of(name))?;
    let (removed, added) = lines(diff.lines());
    let connecting = diff
        .lines()
        .skip_while(|line| *line != format!("+++ b/{CONNECTS}"));
    let connecting = connecting
        .skip(1)
        .take_while(|line| !line.starts_with("--- a/"));
    let (_, connects) = lines(connecting);
    Ok(format!("{all} | {removed} | {added} | {connects} |"))
}

#[test]
fn the_chapter_counts_the_lines_of_each_diff_and_shows_all_of_them() -> Result<()> {
    let chapter = fs::read_to_string(workspace().join("docs/moving.md"))?;
    let crate_docs = fs::read_to_string(workspace().join("src/lib.rs"))?;
    for name in APPLICATIONS {
        let row = row(name)?;
        let is_there = chapter
            .lines()
            .any(|line| line.contains(name) && line.ends_with(&row));
        ensure!(is_there, "docs/moving.md: {name} needs `{row}`");
        let shown = format!("include_str!(\"../docs/moving/{name}.diff\")");
        ensure!(
            crate_docs.contains(&shown),
            "src/lib.rs does not show {name}.diff"
        );
    }
    Ok(())
}
