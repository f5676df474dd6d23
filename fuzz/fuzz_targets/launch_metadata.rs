//! What the launcher reads: `metadata.toml`, and what `exec.d` programs say.
#![no_main]

use dhow_cnb::launch::{Bom, Metadata, exec_d_changes};
use dhow_cnb::{PlatformApi, PlatformRules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = exec_d_changes(text.as_bytes());
    let Ok(metadata) = Metadata::parse(text) else { return };
    let bom = Bom::parse_all(text).unwrap_or_default();
    for api in PlatformApi::ALL {
        let rules = PlatformRules::of(api);
        let written = metadata.to_toml(&bom, &rules);
        let again = Metadata::parse(&written).expect("what is written reads back");
        // What older platforms are given has the command in one piece, so only its own text is stable.
        match rules.command_arrays {
            true => assert_eq!(again, metadata),
            false => assert_eq!(again.to_toml(&bom, &rules), written),
        }
    }
});
