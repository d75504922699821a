use std::{
    fs,
    path::{Path, PathBuf},
};

/// The branch that is checked out where a folder lies, as git's own files say; git is not run.
pub(super) fn current(folder: &Path) -> Option<String> {
    let git = folder.ancestors().map(|one| one.join(".git")).find(|path| path.exists())?;
    let head = fs::read_to_string(folder_of(git)?.join("HEAD")).ok()?;
    let branch = head.trim().strip_prefix("ref: refs/heads/")?;
    Some(branch.to_owned())
}

/// In a work tree of its own, `.git` is a file that names the folder.
fn folder_of(git: PathBuf) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    let named = text.trim().strip_prefix("gitdir: ")?;
    Some(git.parent()?.join(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_branch_is_read_from_a_repository_and_from_a_work_tree_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let inside = folder.path().join("repository/services/web");
        fs::create_dir_all(&inside).unwrap();
        write("repository/.git/HEAD", "ref: refs/heads/feature/checkout\n");
        assert_eq!(current(&inside).as_deref(), Some("feature/checkout"));
        write("tree/.git", "gitdir: ../repository/.git/worktrees/tree\n");
        write("repository/.git/worktrees/tree/HEAD", "ref: refs/heads/fix\n");
        assert_eq!(current(&folder.path().join("tree")).as_deref(), Some("fix"));
        write("repository/.git/HEAD", "0123456789abcdef0123456789abcdef01234567\n");
        assert_eq!(current(&inside), None, "no branch is checked out");
    }
}
