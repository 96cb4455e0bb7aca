//! Secrets: from files and variables, read anew each time, never printed.

use std::fs;

use watchward::model::secret::Secret;
use watchward::model::target::SecretSource;
use watchward::sys::secrets;

use crate::serve::Folder;

#[test]
fn a_rotated_file_is_used_at_once_and_its_line_break_is_no_part_of_it() {
    let folder = Folder::new();
    let path = folder.0.join("pw");
    fs::write(&path, "first\n").unwrap();
    let source = SecretSource::File(path.clone());
    assert_eq!(secrets::read(&source).unwrap().unwrap().expose(), "first");
    fs::write(&path, "second \r\n").unwrap();
    assert_eq!(secrets::read(&source).unwrap().unwrap().expose(), "second ");
    assert!(secrets::read(&SecretSource::None).unwrap().is_none());
}

#[test]
fn what_cannot_be_read_is_named_with_the_system_s_words() {
    let missing = secrets::read(&SecretSource::File("/nowhere/pw".into())).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot read the secret in /nowhere/pw: No such file or directory (os error 2) [secret-01]\n\
         hint: Does the file exist, and may the agent's user read it?"
    );
    let unset = secrets::read(&SecretSource::Environment("WATCHWARD_NOBODY_SETS_THIS".to_string())).unwrap_err();
    assert_eq!(
        unset.to_string(),
        "the environment variable WATCHWARD_NOBODY_SETS_THIS is not set [secret-02]\n\
         hint: Set it where the agent is started, or name a file instead."
    );
}

#[test]
fn a_secret_is_not_printed() {
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret:?} {:?}", SecretSource::Inline(secret.clone())), "*** Inline(***)");
}
