//! What users write: locations, volumes, buildpack locators, project descriptors, descriptions of builders.
#![no_main]

use std::path::{Component, Path};

use dhow_platform::author::BuilderConfig;
use dhow_platform::descriptor::ProjectDescriptor;
use dhow_platform::{BuildpackChoice, Found, Location, Volume};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(location) = text.parse::<Location>() {
        assert_eq!(location.to_string().parse(), Ok(location.clone()));
        let place = location.place(Path::new("/repository"));
        if let Location::Named(_) = location {
            assert!(place.path.starts_with("/repository"));
            assert!(!place.path.components().any(|part| part == Component::ParentDir));
        }
    }
    if let Ok(volume) = text.parse::<Volume>() {
        assert!(volume.target.is_absolute());
        assert!(!volume.target.components().any(|part| part == Component::ParentDir));
    }
    let _ = BuildpackChoice::parse(text, |_| Found::Nothing);
    let _ = ProjectDescriptor::parse(text);
    let _ = BuilderConfig::parse(text);
});
