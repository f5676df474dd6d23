//! Where blobs live: OCI layouts, archives, the verified reader, graph copy.
