//! Layers whose bytes are known from the reference lifecycle and from Go's tar writer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::num::NonZero;
use std::path::Path;

use dhow_fs::{Root, Work};
use dhow_layer::{Compression, Entry, EntryKind, Owner, PackOptions, diff_id, pack};

fn tar(entries: &[Entry]) -> Vec<u8> {
    let work = Work::default();
    let options = PackOptions { compression: Compression::None, ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    let packed = pack(&Root::host().unwrap(), entries, &mut bytes, &options).unwrap();
    assert_eq!(packed.unpacked_size, bytes.len() as u64);
    assert_eq!(packed.diff_id.0, packed.digest);
    assert_eq!(packed.digest, dhow_oci::Digest::of(&bytes));
    let (again, size) = diff_id(&Root::host().unwrap(), entries, &options).unwrap();
    assert_eq!((again, size), (packed.diff_id, packed.size));
    bytes
}

fn digest(bytes: &[u8]) -> String {
    dhow_oci::Digest::of(bytes).to_string()
}

fn directory(path: &str) -> Entry {
    Entry::directory(path, 0o755, Owner::ROOT)
}

fn named(path: &[u8], owner: Owner) -> Entry {
    use std::os::unix::ffi::OsStrExt;
    Entry::file(Path::new(std::ffi::OsStr::from_bytes(path)), *b"", 0o644, owner)
}

fn process_types(types: &[&str]) -> Vec<Entry> {
    let link =
        |kind: &&str| Entry::symlink(format!("/cnb/process/{kind}"), "/cnb/lifecycle/launcher", 0o755, Owner::ROOT);
    [directory("/cnb"), directory("/cnb/process")].into_iter().chain(types.iter().map(link)).collect()
}

#[test]
fn an_empty_slice_is_two_zero_blocks() {
    assert_eq!(tar(&[]), [0; 1024]);
    assert_eq!(digest(&tar(&[])), "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

#[test]
fn process_type_layers_have_the_known_diff_ids() {
    let web = tar(&process_types(&["web"]));
    assert_eq!(web.len(), 2560);
    assert_eq!(digest(&web), "sha256:83d85471d9f8a3834b4e27cf701e3f0aef220cc816d9c173c7d32cd73909a590");
    let both = tar(&process_types(&["web", "worker"]));
    assert_eq!(both.len(), 3072);
    assert_eq!(digest(&both), "sha256:c32b6c6d08c5d84a980a518d1dd9093c22b9e003f2b6b468f12fe1e7cd918b3f");
}

#[test]
fn the_first_header_has_the_known_fields() {
    let bytes = tar(&process_types(&["web"]));
    let fields = [
        (0..5, &b"/cnb\0"[..]),
        (100..108, b"0000755\0"),
        (108..116, b"0000000\0"),
        (116..124, b"0000000\0"),
        (124..136, b"00000000000\0"),
        (136..148, b"02263523001\0"),
        (148..156, b"007777\0 "),
        (156..157, b"5"),
        (257..265, b"ustar\x0000"),
        (329..337, b"0000000\0"),
        (337..345, b"0000000\0"),
    ];
    for (range, expected) in fields {
        assert_eq!(&bytes[range.clone()], expected, "{range:?}");
    }
}

#[test]
fn the_launcher_layer_has_the_known_diff_id() {
    let entries = [
        directory("/cnb"),
        directory("/cnb/lifecycle"),
        Entry::file("/cnb/lifecycle/launcher", *b"launcher\n", 0o755, Owner::ROOT),
    ];
    let bytes = tar(&entries);
    assert_eq!(bytes.len(), 3072);
    assert_eq!(digest(&bytes), "sha256:29ab6994a205a7ca19089f346ccd2ef69bbf4f321758ff6e0685970210d5e9b4");
}

#[test]
fn a_directory_layer_has_the_known_diff_id() {
    let owner = Owner { uid: 1000, gid: 1001 };
    let path = |name: &str| format!("/layers/a_one/l1{name}");
    let entries = [
        directory("/layers"),
        directory("/layers/a_one"),
        Entry::directory(path(""), 0o755, owner),
        Entry::file(path("/b.txt"), *b"", 0o640, owner),
        Entry::directory(path("/bin"), 0o755, owner),
        Entry::file(path("/bin/tool"), *b"hi\n", 0o4755, owner),
        Entry::directory(path("/empty"), 0o700, owner),
        Entry::symlink(path("/link"), "bin/tool", 0o777, owner),
        Entry::file(path("/zhard"), *b"hi\n", 0o4755, owner),
    ];
    let bytes = tar(&entries);
    assert_eq!(bytes.len(), 6656);
    assert_eq!(digest(&bytes), "sha256:e7c720fa2ec1d5738935bc65bcf2ecea8950f70b73456555c4ce42aecd147b30");
}

#[test]
fn names_up_to_100_bytes_are_plain() {
    let name = [b'n'; 100];
    let bytes = tar(&[named(&name, Owner::ROOT)]);
    assert_eq!(&bytes[..100], &name);
    assert_eq!(bytes[156], b'0');
}

#[test]
fn a_longer_name_without_a_slash_gets_a_record() {
    let name = [b'n'; 101];
    let bytes = tar(&[named(&name, Owner::ROOT)]);
    assert_eq!(&bytes[..13], b"PaxHeaders.0/");
    assert_eq!(&bytes[13..100], &name[..87]);
    assert_eq!(bytes[156], b'x');
    assert_eq!(&bytes[329..345], &[0; 16]);
    assert_eq!(&bytes[512..623], format!("111 path={}\n", "n".repeat(101)).as_bytes());
    assert_eq!(&bytes[1024..1124], &name[..100]);
}

#[test]
fn a_long_name_with_a_slash_is_split() {
    let name = format!("{}/{}", "a".repeat(81), "b".repeat(81));
    let bytes = tar(&[named(name.as_bytes(), Owner::ROOT)]);
    assert_eq!(&bytes[..82], format!("{}\0", "b".repeat(81)).as_bytes());
    assert_eq!(&bytes[345..427], format!("{}\0", "a".repeat(81)).as_bytes());
    assert_eq!(bytes[156], b'0');
}

#[test]
fn a_name_that_could_be_split_is_recorded_when_another_field_needs_records() {
    let name = format!("{}/{}", "a".repeat(81), "b".repeat(81));
    let bytes = tar(&[named(name.as_bytes(), Owner { uid: 2_097_152, gid: 0 })]);
    let records = format!("173 path={name}\n15 uid=2097152\n");
    assert_eq!(&bytes[512..512 + records.len()], records.as_bytes());
}

#[test]
fn the_largest_octal_owner_is_plain_and_the_next_one_recorded() {
    let plain = tar(&[named(b"f", Owner { uid: 2_097_151, gid: 0 })]);
    assert_eq!(&plain[108..116], b"7777777\0");
    let recorded = tar(&[named(b"f", Owner { uid: 2_097_152, gid: 0 })]);
    assert_eq!(&recorded[512..528], b"15 uid=2097152\n\0");
    assert_eq!(&recorded[1024 + 108..1024 + 116], b"0000000\0");
}

#[test]
fn a_base_name_without_ascii_leaves_no_slash_in_the_record_headers_name() {
    let bytes = tar(&[named("/layers/日本語".as_bytes(), Owner::ROOT)]);
    assert_eq!(&bytes[..21], b"/layers/PaxHeaders.0\0");
    assert_eq!(&bytes[1024..1033], b"/layers/\0");
}

#[test]
fn bytes_that_are_no_utf8_are_recorded_raw_and_control_bytes_are_plain() {
    let bytes = tar(&[named(b"latin\xe9", Owner::ROOT)]);
    assert_eq!(&bytes[512..528], b"15 path=latin\xe9\n\0");
    let control = tar(&[named(b"new\nline\x01\x7f", Owner::ROOT)]);
    assert_eq!(&control[..11], b"new\nline\x01\x7f\0");
    assert_eq!(control[156], b'0');
}

#[test]
fn sizes_and_times_that_do_not_fit_are_recorded() {
    let work = Work::default();
    let options = PackOptions { compression: Compression::None, modified: -1, ..PackOptions::new(&work) };
    let mut bytes = Vec::new();
    pack(&Root::host().unwrap(), &[named(b"f", Owner::ROOT)], &mut bytes, &options).unwrap();
    assert_eq!(&bytes[512..525], b"12 mtime=-1\n\0");
    assert_eq!(&bytes[1024 + 136..1024 + 148], b"00000000000\0");
}

#[test]
fn names_that_no_tar_can_hold_are_refused() {
    let work = Work::default();
    let options = PackOptions::new(&work);
    for path in ["", "a\0b"] {
        let entry = Entry::directory(path, 0o755, Owner::ROOT);
        assert!(pack(&Root::host().unwrap(), &[entry], &mut Vec::new(), &options).is_err(), "{path:?}");
    }
    let device = Entry {
        path: "d".into(),
        kind: EntryKind::CharDevice { major: 1 << 21, minor: 0 },
        mode: 0o644,
        owner: Owner::ROOT,
    };
    assert!(pack(&Root::host().unwrap(), &[device], &mut Vec::new(), &options).is_err());
}

/// If this fails, an update of libdeflate changed the bytes of every layer: that is a visible change.
#[test]
fn compressed_bytes_stay_what_they_are() {
    let work = Work::default();
    let text: Vec<u8> = (0..3_000_000_u32).flat_map(|number| (number / 7 % 1009).to_le_bytes()).collect();
    let entries = [Entry::file("/f", text, 0o644, Owner::ROOT)];
    let digest = |compression| {
        let options = PackOptions { compression, threads: NonZero::<usize>::MIN, ..PackOptions::new(&work) };
        let mut bytes = Vec::new();
        let packed = pack(&Root::host().unwrap(), &entries, &mut bytes, &options).unwrap();
        assert_eq!(packed.digest, dhow_oci::Digest::of(&bytes));
        packed.digest.to_string()
    };
    let levels = [Compression::Gzip { level: 1 }, Compression::Gzip { level: 6 }, Compression::Zstd { level: 3 }];
    let expected = [
        "sha256:1c54c4f9bd9a9cf6f8f530956cf1017eb4f478d021bbe6fef556548ced9a4dce",
        "sha256:0a33b36749913867a2d8729e4f839713090113b90e61c7074fb3512e53ff4b5c",
        "sha256:a85bdfd27ddde89a4ae9fa5844ebf03a5d217ea41bb94d810ca01cacdd9fba59",
    ];
    assert_eq!(levels.map(digest), expected);
}
