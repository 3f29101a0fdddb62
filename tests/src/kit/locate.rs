//! Finds the server's binaries. Never installs anything; the error says how.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The environment variable that names the folder of PostgreSQL's binaries.
pub const OVERRIDE: &str = "ORM_SPLIT_PG_BIN";

/// The environment variable that names the folder into which PostgreSQL 19 is unpacked.
const ROOT_19: &str = "ORM_SPLIT_PG19";

const DEFAULT_19: &str = "/opt/orm-split-postgresql-19";

const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder that holds `postgres` and `initdb`.
///
/// Looks into [`OVERRIDE`], then for the newest version under
/// `/usr/lib/postgresql/*/bin`, then in `PATH`.
///
/// # Errors
/// When there is none, or the override does not hold both binaries.
pub fn postgres_bin() -> Result<PathBuf> {
    find(
        env::var_os(OVERRIDE).map(PathBuf::from),
        Path::new(DEBIAN),
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()),
    )
}

/// The folder of a PostgreSQL 19, if `scripts/install-postgresql-19` could unpack one; else says on the
/// standard error what is skipped, past the test harness, which shows nothing of tests that pass.
#[must_use]
pub fn postgres_19_or_skip(what: &str) -> Option<PathBuf> {
    let root = env::var_os(ROOT_19).map_or_else(|| PathBuf::from(DEFAULT_19), PathBuf::from);
    let folder = root.join("usr/lib/postgresql/19/bin");
    if complete(&folder) {
        return Some(folder);
    }
    let said = writeln!(
        std::io::stderr(),
        "SKIPPED {what}: no PostgreSQL 19 under {} (scripts/install-postgresql-19 unpacks one)",
        root.display()
    );
    drop(said);
    None
}

fn find(chosen: Option<PathBuf>, debian: &Path, path: Option<Vec<PathBuf>>) -> Result<PathBuf> {
    if let Some(folder) = chosen {
        if complete(&folder) {
            return Ok(folder);
        }
        bail!(
            "{OVERRIDE}={} holds no `postgres` and `initdb`",
            folder.display()
        );
    }
    let installed = newest_first(debian).into_iter();
    // A link in PATH is followed: the other tools lie next to what it points to.
    let in_path = path.into_iter().flatten().filter_map(|folder| {
        let binary = folder.join("postgres").canonicalize().ok()?;
        binary.parent().map(Path::to_owned)
    });
    installed
        .chain(in_path)
        .find(|folder| complete(folder))
        .map_or_else(
            || {
                bail!(
                    "no PostgreSQL server found under {}/*/bin or in PATH: \
                 run scripts/install-test-deps, or point {OVERRIDE} at the folder \
                 that holds `postgres` and `initdb`",
                    debian.display()
                )
            },
            Ok,
        )
}

fn newest_first(debian: &Path) -> Vec<PathBuf> {
    let entries = debian.read_dir().into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn complete(folder: &Path) -> bool {
    ["postgres", "initdb"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn install(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for name in ["postgres", "initdb"] {
            fs::write(folder.join(name), "").unwrap();
        }
    }

    #[test]
    fn newest_version_wins_by_number_not_by_letter() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16"] {
            install(&root.path().join(version).join("bin"));
        }
        let found = find(None, root.path(), None).unwrap();
        assert_eq!(found, root.path().join("16/bin"));
    }

    #[test]
    fn version_without_a_server_is_passed_over_for_path() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("17/bin")).unwrap();
        let bin = root.path().join("elsewhere");
        install(&bin);
        assert_eq!(
            find(None, root.path(), Some(vec![bin.clone()])).unwrap(),
            bin
        );
    }

    #[test]
    fn link_in_path_leads_to_the_folder_of_all_tools() {
        let root = tempfile::tempdir().unwrap().keep().canonicalize().unwrap();
        let (bin, links) = (root.join("bin"), root.join("links"));
        install(&bin);
        fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink(bin.join("postgres"), links.join("postgres")).unwrap();
        let found = find(None, &root.join("none"), Some(vec![links]));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.unwrap(), bin);
    }

    #[test]
    fn override_is_not_second_guessed() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("15/bin"));
        let error = find(Some(root.path().join("nothing")), root.path(), None).unwrap_err();
        assert!(error.to_string().contains(OVERRIDE), "{error}");
    }

    #[test]
    fn missing_server_says_how_to_install_it() {
        let root = tempfile::tempdir().unwrap();
        let error = find(None, root.path(), None).unwrap_err();
        assert!(
            error.to_string().contains("scripts/install-test-deps"),
            "{error}"
        );
    }
}
