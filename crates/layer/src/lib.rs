//! Trees and tars: reproducible packing, safe unpacking, compression.
