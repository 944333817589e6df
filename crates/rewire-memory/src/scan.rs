//! stub
use rewire_object::ExecAddr;
use std::ops::Range;
#[derive(Debug, Clone)]
pub struct Holder;
impl std::fmt::Display for Holder {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
#[derive(Debug, Clone)]
pub struct Unknown;
impl std::fmt::Display for Unknown {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub struct Scan {
    pub held: Vec<Option<Holder>>,
    pub unknown: Vec<Unknown>,
    pub in_flight: bool,
}
pub fn scan(s: &[Range<ExecAddr>]) -> Scan {
    Scan {
        held: vec![None; s.len()],
        unknown: vec![Unknown],
        in_flight: false,
    }
}
