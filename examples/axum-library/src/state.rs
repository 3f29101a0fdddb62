//! What every request shares.

use orm_split::sea_orm::SplitConnection;

#[derive(Clone)]
pub struct AppState {
    pub db: SplitConnection,
}
