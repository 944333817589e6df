//! Notes what of linked blocks goes into an image of the program.

use std::collections::HashMap;

use super::{BlockId, KeptBlock, Ledger};

impl Ledger {
    /// Notes what of a block goes into an image, until the block is freed.
    pub(crate) fn keep_block(&mut self, id: BlockId, kept: Box<KeptBlock>) {
        self.kept_blocks.insert(id, kept);
    }

    /// Forgets what would go into an image.
    pub(crate) fn forget_kept_blocks(&mut self) {
        self.kept_blocks = HashMap::default();
    }

    /// Returns what of a block goes into an image.
    pub(crate) fn kept_block(&self, id: BlockId) -> Option<&KeptBlock> {
        self.kept_blocks.get(&id).map(|kept| &**kept)
    }
}
