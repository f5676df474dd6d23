use super::*;

/// Makes a kept build of so many bytes, the one after the other.
fn build(cache: &Path, key: &str, bytes: usize) -> PathBuf {
    let (host, directory) = (Root::host().unwrap(), cache.join(BUILDS).join(key));
    host.create_directories(&directory.join("root/layers/closed"), 0o755).unwrap();
    host.write(&directory.join("root/layers/closed/data"), &vec![1; bytes], 0o644).unwrap();
    host.write(&directory.join(BUILD_LOCK), b"", 0o644).unwrap();
    host.set_mode(&directory.join("root/layers/closed"), 0).unwrap();
    let about =
        BuildAbout { image: key.into(), path: key.into(), tag: "latest".into(), workspace: "/workspace".into() };
    about.note(&directory);
    // Files are stamped in ticks.
    std::thread::sleep(Duration::from_millis(20));
    directory
}

fn layer(cache: &Path, name: &str) -> PathBuf {
    let (host, directory) = (Root::host().unwrap(), cache.join("chains/squashed/sha256").join(name));
    host.create_directories(&directory, 0o755).unwrap();
    host.create_directory(&directory.join("etc"), 0o555).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    directory
}

fn names(kept: &[Kept]) -> Vec<String> {
    let name = |kept: &Kept| match &kept.what {
        KeptKind::Build(about) => about.as_ref().map_or("?", |about| &about.image).to_owned(),
        KeptKind::Layer(name) => name.clone(),
    };
    kept.iter().map(name).collect()
}

fn up_to(max_size: u64) -> PrunePolicy {
    PrunePolicy { max_size: Some(max_size), older_than: None }
}

#[test]
fn what_is_kept_is_listed_the_last_used_first_with_its_size() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(list(cache.path()).unwrap(), []);
    build(cache.path(), "one", 100_000);
    layer(cache.path(), "abc");
    build(cache.path(), "two", 300_000);
    let kept = list(cache.path()).unwrap();
    assert_eq!(names(&kept), ["two", "sha256:abc", "one"]);
    // Whoever is not root cannot look into a closed directory.
    if rustix_is_root() {
        assert!(kept[0].size > 300_000 && kept[2].size > 100_000 && kept[2].size < 300_000);
    }
    assert_eq!(list(cache.path()).unwrap(), kept);
}

fn rustix_is_root() -> bool {
    Root::host().unwrap().metadata(Path::new("/proc/self")).is_ok_and(|stat| stat.uid == 0)
}

#[test]
fn the_longest_unused_goes_first_until_the_rest_fits_closed_directories_too() {
    let cache = tempfile::tempdir().unwrap();
    let directories = ["one", "two", "three"].map(|name| build(cache.path(), name, 100_000));
    let sizes: u64 = list(cache.path()).unwrap().iter().map(|kept| kept.size).sum();
    let told = prune(cache.path(), &up_to(sizes - 1), PruneMode::Tell).unwrap();
    assert_eq!((names(&told.removed), told.left), (vec!["one".to_owned()], sizes / 3 * 2));
    assert!(directories[0].exists(), "it was only told");
    let pruned = prune(cache.path(), &up_to(sizes - 1), PruneMode::Remove).unwrap();
    assert_eq!(names(&pruned.removed), ["one"]);
    assert_eq!(directories.map(|path| path.exists()), [false, true, true]);
    assert_eq!(prune(cache.path(), &up_to(sizes - 1), PruneMode::Remove).unwrap().removed, []);
    assert_eq!(prune(cache.path(), &PrunePolicy::default(), PruneMode::Remove).unwrap().removed, []);
    assert_eq!(
        names(&prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap().removed),
        ["two", "three"]
    );
    let host = Root::host().unwrap();
    assert_eq!(host.read_directory(&cache.path().join(BUILDS)).unwrap(), [], "nothing is left aside");
}

#[test]
fn what_a_running_command_uses_stays() {
    let cache = tempfile::tempdir().unwrap();
    let (one, other) = (build(cache.path(), "one", 10), layer(cache.path(), "abc"));
    let host = Root::host().unwrap();
    let _running = Lock::take(&host, &one.join(BUILD_LOCK), LockMode::Exclusive, String::new).unwrap();
    let _shared = Lock::take(&host, &other, LockMode::Shared, String::new).unwrap();
    let pruned = prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap();
    assert_eq!((names(&pruned.removed), names(&pruned.in_use)), (vec![], vec!["one".into(), "sha256:abc".into()]));
    assert!(one.exists() && other.exists());
    drop((_running, _shared));
    assert_eq!(prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap().removed.len(), 2);
    assert!(!one.exists() && !other.exists());
}

#[test]
fn what_was_killed_before_it_had_a_lock_or_a_name_is_removed() {
    let cache = tempfile::tempdir().unwrap();
    let host = Root::host().unwrap();
    host.create_directories(&cache.path().join("builds/dead/root"), 0o755).unwrap();
    host.create_directories(&cache.path().join("builds/.dhow-1-dead-0/pruned"), 0o755).unwrap();
    assert_eq!(names(&list(cache.path()).unwrap()), ["?"]);
    prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap();
    assert_eq!(host.read_directory(&cache.path().join("builds")).unwrap(), []);
}

#[test]
fn what_is_used_again_is_measured_again() {
    let cache = tempfile::tempdir().unwrap();
    let directory = build(cache.path(), "one", 10);
    let (host, before) = (Root::host().unwrap(), list(cache.path()).unwrap()[0].size);
    host.write(&directory.join("root/more"), &[1; 200_000], 0o644).unwrap();
    host.touch(&directory).unwrap();
    assert!(list(cache.path()).unwrap()[0].size > before + 190_000);
}

#[test]
fn layers_that_an_older_version_unpacked_are_listed_and_removed() {
    let cache = tempfile::tempdir().unwrap();
    let (host, directory) = (Root::host().unwrap(), cache.path().join("layers/owned/sha256/abc"));
    host.create_directories(&directory.join("etc"), 0o755).unwrap();
    assert_eq!(names(&list(cache.path()).unwrap()), ["sha256:abc"]);
    prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap();
    assert!(!host.exists(&directory));
}

#[test]
fn what_was_found_of_images_goes_when_only_layers_used_later_are_left() {
    let cache = tempfile::tempdir().unwrap();
    let host = Root::host().unwrap();
    let parts = |name: &str| {
        host.create_directories(&cache.path().join(PARTS), 0o700).unwrap();
        host.write(&cache.path().join(PARTS).join(name), b"[]", 0o600).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    };
    let left = || host.read_directory(&cache.path().join(PARTS)).unwrap().len();
    layer(cache.path(), "one");
    parts("of-one");
    let other = layer(cache.path(), "other");
    parts("of-other");
    let size = list(cache.path()).unwrap()[0].size;
    prune(cache.path(), &PrunePolicy::default(), PruneMode::Remove).unwrap();
    prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Tell).unwrap();
    assert_eq!(left(), 2);
    let pruned = prune(cache.path(), &up_to(size), PruneMode::Remove).unwrap();
    assert_eq!(names(&pruned.removed), ["sha256:one"]);
    let entries = host.read_directory(&cache.path().join(PARTS)).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.name.to_str().unwrap()).collect::<Vec<_>>(), ["of-other"]);
    let used = Lock::take(&host, &other, LockMode::Shared, String::new).unwrap();
    prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap();
    assert_eq!(left(), 1, "its layer is in use");
    drop(used);
    prune(cache.path(), &PrunePolicy::nothing(), PruneMode::Remove).unwrap();
    assert_eq!(left(), 0);
}
