//! Makes the tree that `bench/layers.sh` packs: `tree DIRECTORY [MEBIBYTES] [FILES]`. It is the same everywhere.
//!
//! Half of the bytes are like source text (words from a small vocabulary, phrases that come again),
//! a third like machine code (skewed bytes with short repeats), the rest like what is compressed already.

#![expect(clippy::disallowed_methods, reason = "a program of its own")]

use std::error::Error;
use std::path::Path;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ (self.0 >> 29)) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, sizes @ ..] = arguments.as_slice() else {
        return Err("usage: tree DIRECTORY [MEBIBYTES] [FILES]".into());
    };
    let size = sizes.first().map_or(Ok(520), |text| text.parse::<usize>())? << 20;
    let files = sizes.get(1).map_or(Ok(25_000), |text| text.parse::<usize>())?;
    let mut random = Random(42);
    let words: Vec<Vec<u8>> =
        (0..3000).map(|_| (0..2 + random.below(9)).map(|_| b'a' + random.below(26) as u8).collect()).collect();
    // One file in fifty takes most of the bytes, as libraries do.
    let large = files / 50;
    let small_size = size / 5 / (files - large);
    let large_size = size * 4 / 5 / large;
    for number in 0..files {
        let mean = if number % 50 == 7 { large_size } else { small_size };
        let length = mean / 2 + random.below(mean);
        let content = match number % 11 {
            0..6 => text(&mut random, &words, length),
            6..10 => code(&mut random, length),
            _ => (0..length).map(|_| random.next() as u8).collect(),
        };
        let folder = Path::new(directory).join(format!("package{:03}/module{:02}", number / 100, number / 20 % 5));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("file{number:05}")), content)?;
    }
    Ok(())
}

fn text(random: &mut Random, words: &[Vec<u8>], length: usize) -> Vec<u8> {
    let mut content: Vec<u8> = Vec::with_capacity(length + 128);
    while content.len() < length {
        if content.len() > 1000 && random.below(4) == 0 {
            // Source text repeats its phrases.
            let start = content.len() - 1 - random.below(content.len().min(20_000) - 1);
            let end = (start + 12 + random.below(60)).min(content.len());
            content.extend_from_within(start..end);
        }
        // Some words are much more common than others.
        let reach = 1 + random.below(words.len());
        let narrow = 1 + random.below(reach);
        content.extend_from_slice(&words[random.below(narrow)]);
        content.extend_from_slice([&b" "[..], b" ", b" ", b"(", b");\n    ", b".", b" = "][random.below(7)]);
    }
    content.truncate(length);
    content
}

fn code(random: &mut Random, length: usize) -> Vec<u8> {
    let mut content: Vec<u8> = Vec::with_capacity(length + 64);
    while content.len() < length {
        if content.len() > 4096 && random.below(3) != 0 {
            let start = content.len() - 1 - random.below(4000);
            let end = (start + 4 + random.below(24)).min(content.len());
            content.extend_from_within(start..end);
        } else {
            for _ in 0..8 {
                let reach = 1 + random.below(256);
                content.push(random.below(reach) as u8);
            }
        }
    }
    content.truncate(length);
    content
}
