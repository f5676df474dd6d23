use super::*;

fn scratch() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    (directory, root)
}

#[test]
fn links_that_point_out_resolve_inside() {
    let (_directory, root) = scratch();
    root.create_directories(Path::new("/etc"), 0o755).unwrap();
    root.write(Path::new("/etc/name"), b"inside", 0o644).unwrap();
    root.symlink(Path::new("/etc/name"), Path::new("/absolute")).unwrap();
    root.symlink(Path::new("../../../../etc/name"), Path::new("/upwards")).unwrap();
    for path in ["/absolute", "/upwards", "/../etc/name"] {
        assert_eq!(root.read(Path::new(path), 10).unwrap(), b"inside", "{path}");
    }
    assert!(root.read(Path::new("/etc/passwd"), 10_000).is_err());
}

#[test]
fn reading_a_fifo_fails_at_once() {
    let (directory, root) = scratch();
    rustix::fs::mknodat(rustix::fs::CWD, directory.path().join("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
        .unwrap();
    assert!(root.read(Path::new("/fifo"), 10).is_err());
}

#[test]
fn remove_all_does_not_follow_links_and_enters_closed_directories() {
    let (directory, root) = scratch();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("kept"), "x").unwrap();
    root.create_directories(Path::new("/a/b"), 0o755).unwrap();
    root.write(Path::new("/a/b/file"), b"", 0o644).unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("a/link")).unwrap();
    root.set_mode(Path::new("/a/b"), 0).unwrap();
    root.remove_all(Path::new("/a")).unwrap();
    assert!(!root.exists(Path::new("/a")));
    assert!(outside.path().join("kept").exists());
}

#[test]
fn paths_mean_the_same_with_and_without_a_leading_slash() {
    let (directory, root) = scratch();
    root.write(Path::new("file"), b"x", 0o644).unwrap();
    assert!(root.is_file(Path::new("/file")) && root.is_file(Path::new("file")));
    assert_eq!(root.host_path(Path::new("/../a/./file")), directory.path().join("a/file"));
    assert_eq!(Root::host().unwrap().host_path(Path::new("rel")), Path::new("rel"));
    assert!(root.is_directory(Path::new("")));
}

#[test]
fn a_link_is_followed_or_not_as_the_name_says() {
    let (_directory, root) = scratch();
    root.create_directory(Path::new("/real"), 0o755).unwrap();
    root.write(Path::new("/real/file"), b"x", 0o644).unwrap();
    root.symlink(Path::new("real"), Path::new("/link")).unwrap();
    root.symlink(Path::new("real/file"), Path::new("/name")).unwrap();
    root.symlink(Path::new("none"), Path::new("/dangling")).unwrap();
    assert!(root.is_directory(Path::new("/link")) && !root.is_real_directory(Path::new("/link")));
    assert_eq!(root.metadata(Path::new("/name")).unwrap().kind, FileKind::File);
    assert_eq!(root.symlink_metadata(Path::new("/name")).unwrap().kind, FileKind::Symlink);
    assert!(root.open_file(Path::new("/name")).is_ok() && root.open_file_nofollow(Path::new("/name")).is_err());
    assert!(!root.exists(Path::new("/dangling")) && root.symlink_metadata(Path::new("/dangling")).is_ok());
    assert_eq!(root.read_link(Path::new("/name")).unwrap(), Path::new("real/file"));
}

#[test]
fn a_directory_is_no_file_and_a_file_is_no_directory() {
    let (_directory, root) = scratch();
    root.create_directory(Path::new("/directory"), 0o755).unwrap();
    root.write(Path::new("/file"), b"", 0o644).unwrap();
    let error = root.open_file(Path::new("/directory")).unwrap_err();
    assert_eq!(error.source.kind(), io::ErrorKind::IsADirectory);
    let error = root.create_directory(Path::new("/file"), 0o755).unwrap_err();
    assert_eq!((error.operation, error.source.kind()), (Operation::CreateDirectory, io::ErrorKind::AlreadyExists));
    assert!(root.read_directory(Path::new("/file")).is_err());
}

#[test]
fn directories_are_made_with_their_parents_and_kept_if_they_are_there() {
    let (_directory, root) = scratch();
    root.create_directories(Path::new("/a/b/c"), 0o700).unwrap();
    root.create_directories(Path::new("/a/b/c"), 0o755).unwrap();
    assert_eq!(root.metadata(Path::new("/a/b")).unwrap().mode, 0o700);
    root.create_directories(Path::new("/"), 0o755).unwrap();
}

#[test]
fn a_new_file_replaces_nothing_and_goes_through_no_link() {
    let (_directory, root) = scratch();
    root.create_new_file(Path::new("/file"), 0o644).unwrap();
    root.symlink(Path::new("elsewhere"), Path::new("/link")).unwrap();
    for path in ["/file", "/link"] {
        let error = root.create_new_file(Path::new(path), 0o644).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists, "{path}");
    }
    assert!(!root.exists(Path::new("/elsewhere")));
}

#[test]
fn entries_are_sorted_by_their_bytes() {
    let (_directory, root) = scratch();
    for name in ["b", "a.b", "B", "a", "\u{e4}"] {
        root.write(Path::new(name), b"", 0o644).unwrap();
    }
    let names: Vec<_> = root.read_directory(Path::new("/")).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["B", "a", "a.b", "b", "\u{e4}"]);
}

#[test]
fn text_must_be_utf_8() {
    let (_directory, root) = scratch();
    root.write(Path::new("/file"), b"\xff", 0o644).unwrap();
    assert!(root.read_to_string(Path::new("/file"), 10).is_err());
}

#[test]
fn removing_what_is_not_there_is_success() {
    let (_directory, root) = scratch();
    root.write(Path::new("/file"), b"", 0o644).unwrap();
    for path in ["/none", "/none/below", "/file/below"] {
        root.remove_file(Path::new(path)).unwrap();
        root.remove_all(Path::new(path)).unwrap();
    }
    root.remove_file(Path::new("/file")).unwrap();
    assert!(!root.exists(Path::new("/file")));
}

#[test]
fn a_rename_replaces_and_a_second_name_is_the_same_file() {
    let (_directory, root) = scratch();
    root.write(Path::new("/one"), b"1", 0o644).unwrap();
    root.write(Path::new("/two"), b"2", 0o644).unwrap();
    root.hard_link(Path::new("/one"), Path::new("/second")).unwrap();
    assert!(root.hard_link(Path::new("/one"), Path::new("/two")).is_err());
    root.rename(Path::new("/one"), Path::new("/two")).unwrap();
    let identity = |path: &str| root.metadata(Path::new(path)).unwrap().identity();
    assert_eq!(identity("/two"), identity("/second"));
    assert!(!root.exists(Path::new("/one")));
}

#[test]
fn owners_are_presented_by_the_roots_rule() {
    let (directory, root) = scratch();
    let own = rustix::process::geteuid().as_raw();
    let run = crate::IdRun { inside: 4321, outside: own, count: 1 };
    let root = root.with_ownership(Ownership::Mapped { uids: vec![run], gids: Vec::new() });
    assert_eq!(root.metadata(Path::new("/")).unwrap().uid, 4321);
    assert_eq!(root.location(), directory.path());
    assert!(matches!(root.ownership(), Ownership::Mapped { .. }));
}

#[test]
fn an_error_names_the_path_on_the_machine() {
    let (directory, root) = scratch();
    let error = root.read(Path::new("/none/file"), 10).unwrap_err();
    assert_eq!(error.path, directory.path().join("none/file"));
    assert!(error.is_not_found());
}

#[test]
fn races_are_retried_and_given_up_in_the_end() {
    let mut calls = 0;
    let found = retry_races(|| {
        calls += 1;
        if calls < 100 { Err(Errno::AGAIN) } else { Ok(calls) }
    });
    assert_eq!(found, Ok(100));
    assert_eq!(retry_races(|| Err::<(), _>(Errno::AGAIN)), Err(Errno::AGAIN));
    assert_eq!(retry_races(|| Err::<(), _>(Errno::NOENT)), Err(Errno::NOENT));
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let (_directory, root) = scratch();
    root.write(Path::new("/file"), b"12345", 0o644).unwrap();
    assert_eq!(root.read(Path::new("/file"), 5).unwrap(), b"12345");
    assert!(root.read(Path::new("/file"), 4).is_err());
}

#[test]
fn paths_are_the_same_if_they_lead_to_one_place_or_are_equal() {
    let (_directory, root) = scratch();
    root.create_directories(Path::new("/a"), 0o755).unwrap();
    root.create_directories(Path::new("/b"), 0o755).unwrap();
    root.symlink(Path::new("a"), Path::new("/link")).unwrap();
    let is_same = |left: &str, right: &str| root.is_same(Path::new(left), Path::new(right));
    assert!(is_same("/a", "/link") && is_same("/link", "/a") && is_same("/none", "/none"));
    for (left, right) in [("/a", "/b"), ("/none", "/other"), ("/a", "/none"), ("/none", "/a")] {
        assert!(!is_same(left, right), "{left} {right}");
    }
}
