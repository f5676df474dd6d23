//! Blobs as others compress them, and blobs that are damaged or cut off.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;

use dhow_layer::decompress;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn decompressed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let (_, mut reader) = decompress(bytes)?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn members_and_frames_make_one_stream() {
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    let cases = [
        (b"plain".to_vec(), &b"plain"[..]),
        (vec![], b""),
        (b"a".to_vec(), b"a"),
        ([gzip(b"one"), gzip(b""), gzip(b"two")].concat(), b"onetwo"),
        ([zstd(b"one"), zstd(b"two")].concat(), b"onetwo"),
        ([&skippable[..], &zstd(b"one"), skippable].concat(), b"one"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decompressed(&bytes).unwrap(), expected);
    }
}

#[test]
fn damaged_members_and_frames_are_errors() {
    let whole = gzip(&[b'x'; 5000]);
    let frame = zstd::bulk::compress(&[b'x'; 5000], 1).unwrap();
    let mut wrong_sum = whole.clone();
    let sum = whole.len() - 8;
    wrong_sum[sum] ^= 1;
    let cases = [
        ("gzip with something after", [whole.clone(), b"garbage".to_vec()].concat()),
        ("wrong checksum", wrong_sum),
        ("zstd with something after", [frame, b"garbage".to_vec()].concat()),
    ];
    for (name, bytes) in cases {
        assert!(decompressed(&bytes).is_err(), "{name}");
    }
}

#[test]
fn a_blob_that_is_cut_off_is_an_error_wherever_it_is_cut() {
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let noise: Vec<u8> = (0..2000_u32).map(|number| (number.wrapping_mul(number) >> 3) as u8).collect();
    for (name, first, second) in [("gzip", gzip(&noise), gzip(b"second")), ("zstd", zstd(&noise), zstd(b"second"))] {
        let whole = [first.clone(), second].concat();
        for length in 4..whole.len() {
            // The end of a member or frame may be the end of the blob.
            let expected = length == first.len();
            assert_eq!(decompressed(&whole[..length]).is_ok(), expected, "{name} cut to {length} bytes");
        }
        assert_eq!(decompressed(&whole).unwrap().len(), noise.len() + 6, "{name}");
    }
}

/// A frame states how much memory its reader needs.
#[test]
fn a_zstd_window_may_have_128_mebibytes_and_no_more() {
    let frame = |window: u8| decompressed(&[0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0]);
    let window = |log: u8, eighths: u8| (log - 10) << 3 | eighths;
    assert_eq!(frame(window(27, 0)).unwrap(), b"");
    for (log, eighths) in [(27, 1), (28, 0), (31, 0), (41, 7)] {
        let error = frame(window(log, eighths)).unwrap_err();
        assert!(error.to_string().contains("too much memory"), "{log} {eighths}: {error}");
    }
}
