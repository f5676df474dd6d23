//! JSON documents of images.
#![no_main]

use dhow_oci::{Digest, Document, Image, ImageConfig, Index, Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(index) = Index::parse(bytes.to_vec()) {
        assert_eq!(*index.digest(), Digest::of(bytes));
        let edited = index.edited(|_| {});
        assert_eq!(Index::parse(edited.bytes().to_vec()).expect("an edited index is one").value(), index.value());
    }
    let manifest = Manifest::parse(bytes.to_vec());
    if let Ok(manifest) = &manifest {
        let edited = manifest.edited(|_| {});
        assert_eq!(
            Manifest::parse(edited.bytes().to_vec()).expect("an edited manifest is one").value(),
            manifest.value()
        );
    }
    let config = Document::<ImageConfig>::parse("config", bytes.to_vec());
    if let Ok(config) = &config {
        let edited = config.edited(|_| {});
        let again = Document::<ImageConfig>::parse("config", edited.bytes().to_vec()).expect("an edited config is one");
        assert_eq!(again.value(), config.value());
        let _ = config.value().platform();
        let _ = config.value().env("PATH");
    }
    if let (Ok(manifest), Ok(config)) = (manifest, config)
        && let Ok(image) = Image::new(manifest, config)
    {
        assert_eq!(image.layers().len(), image.config().value().rootfs.diff_ids.len());
    }
});
