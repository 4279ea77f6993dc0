mod accounts;
mod fakes;
mod sync;
mod world;

use omnimesh_kit::testing::{BACKENDS, db, prepare_all};

use crate::{MIGRATIONS, store};

#[tokio::test]
async fn both_databases_understand_every_statement() {
    for backend in BACKENDS {
        let db = db(&MIGRATIONS, backend).await;
        for statements in store::STATEMENTS {
            prepare_all(&db, statements).await;
        }
    }
}
