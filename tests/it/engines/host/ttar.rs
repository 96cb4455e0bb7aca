//! Unpacks node_exporter's plain-text archives: as much of the format as its recorded trees need.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Unpacks an archive's folders, files and links below a folder.
pub fn unpack(archive: &str, into: &Path) {
    let mut lines = archive.lines();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix("Directory: ") {
            fs::create_dir_all(into.join(path)).expect("a folder");
        } else if let Some(path) = line.strip_prefix("Path: ") {
            let path = into.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let next = lines.next().unwrap_or("");
            if let Some(target) = next.strip_prefix("SymlinkTo: ") {
                symlink(target, path).expect("a link");
            } else {
                let count = next.strip_prefix("Lines: ").expect("a count of lines").parse().expect("a number");
                let text: Vec<&str> = lines.by_ref().take(count).collect();
                fs::write(path, content(&text)).expect("a file");
            }
        }
    }
}

/// `NULLBYTE` is a null byte, and `EOF` ends a text whose last line has no line break; a backslash keeps either.
fn content(lines: &[&str]) -> String {
    let mut text = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    if let Some(cut) = text.strip_suffix("EOF\n").filter(|cut| !cut.ends_with('\\')) {
        text = cut.to_string();
    }
    text.replace("\\NULLBYTE", "\u{1}").replace("NULLBYTE", "\0").replace('\u{1}', "NULLBYTE").replace("\\EOF", "EOF")
}

#[test]
fn an_archive_is_unpacked_with_its_folders_links_and_marks() {
    let folder = super::Folder::new();
    unpack(
        "# a comment\nDirectory: a\nMode: 755\n# ttar\nPath: a/b\nLines: 2\none\ntwoEOF\nMode: 644\n\
         Path: a/c\nSymlinkTo: b\nPath: d/e\nLines: 1\nxNULLBYTEy\\NULLBYTE\nMode: 644\n",
        &folder.0,
    );
    let read = |name: &str| fs::read_to_string(folder.0.join(name)).expect(name);
    assert_eq!(read("a/b"), "one\ntwo");
    assert_eq!(read("a/c"), "one\ntwo");
    assert_eq!(read("d/e"), "x\0yNULLBYTE\n");
}
