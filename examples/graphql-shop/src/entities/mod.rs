//! What the shop keeps.

pub mod customer;
pub mod product;
pub mod review;
