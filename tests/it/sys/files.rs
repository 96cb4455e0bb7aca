//! Files: bounds, whole replacements, locks, patterns.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use watchward::sys::files::{self, FolderLock};

use crate::serve::Folder;

#[test]
fn a_file_larger_than_allowed_or_not_text_is_refused() {
    let folder = Folder::new();
    let path = folder.0.join("a");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(files::read_text(&path, 5).unwrap(), "12345");
    assert_eq!(files::read_text(&path, 4).unwrap_err().to_string(), "it is larger than 4 bytes");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(files::read_text(&path, 4).unwrap_err().to_string(), "it is not UTF-8 text, in line 1");
    fs::write(&path, b"a\nb\xff").unwrap();
    assert_eq!(files::read_text(&path, 4).unwrap_err().to_string(), "it is not UTF-8 text, in line 2");
}

#[test]
fn a_replaced_file_is_whole_and_has_its_mode() {
    let folder = Folder::new();
    let path = folder.0.join("key");
    files::write_atomic(&path, b"old", 0o600).unwrap();
    let before = files::version(&path);
    files::write_atomic(&path, b"newer", 0o600).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_ne!(files::version(&path), before);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn a_folder_is_locked_once() {
    let folder = Folder::new();
    let lock = FolderLock::take(&folder.0, "lock").unwrap();
    assert!(lock.is_some());
    assert!(FolderLock::take(&folder.0, "lock").unwrap().is_none());
    drop(lock);
    assert!(FolderLock::take(&folder.0, "lock").unwrap().is_some());
}

#[test]
fn a_star_names_files_of_one_folder_in_order() {
    let folder = Folder::new();
    for name in ["b.yml", "a.yml", "a.toml", "deep.yml.bak"] {
        fs::write(folder.0.join(name), "").unwrap();
    }
    let names = |pattern: &str| -> Vec<String> {
        let found = files::expand(&folder.0.join(pattern)).unwrap();
        found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("*.yml"), ["a.yml", "b.yml"]);
    assert_eq!(names("a*"), ["a.toml", "a.yml"]);
    assert_eq!(names("*e*.b*k"), ["deep.yml.bak"]);
    assert_eq!(names("one.yml"), ["one.yml"]);
    fs::write(folder.0.join(".c.yml"), "").unwrap();
    assert_eq!(names("*.yml"), ["a.yml", "b.yml"], "hidden files are not meant");
    assert_eq!(names(".*.yml"), [".c.yml"]);
    assert!(names("*.none").is_empty());
    assert!(files::expand(Path::new("/nowhere/*.yml")).is_err());
}

#[test]
fn space_and_folders() {
    let folder = Folder::new();
    let space = files::space(&folder.0).unwrap();
    assert!(space.size >= space.available && space.size > 0);
    let deep: PathBuf = folder.0.join("x/y");
    files::make_folder(&deep, 0o750).unwrap();
    files::make_folder(&deep, 0o750).unwrap();
    assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o750);
}
