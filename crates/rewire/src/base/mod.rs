//! What all higher modules use: errors, options, plain data of events and reports, kinds of
//! addresses, demangled names, lock ranks.

pub(crate) mod addresses;
pub(crate) mod assembly_names;
pub(crate) mod demangle;
pub(crate) mod error;
pub(crate) mod escape;
pub(crate) mod events;
pub(crate) mod exit_codes;
pub(crate) mod file_bytes;
pub(crate) mod frame_text;
pub(crate) mod function_type;
pub(crate) mod ids;
pub(crate) mod ir;
pub(crate) mod link_observer;
pub(crate) mod listener;
pub(crate) mod module_hash;
pub(crate) mod object_index;
pub(crate) mod options;
pub(crate) mod packed;
pub(crate) mod program_image;
pub(crate) mod recovery;
pub(crate) mod report;
pub(crate) mod resolver;
pub(crate) mod sync;
pub(crate) mod tier;
pub(crate) mod tier_events;
pub(crate) mod told_load;
pub(crate) mod transform;
