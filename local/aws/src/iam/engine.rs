//! Queries ask with the rights of whoever started them.

use local_engine::{Access, AccessDenied, Resource};

use super::session::{Right, Session};

impl Access for Session {
    fn check(&self, action: &'static str, resource: &Resource) -> Result<(), AccessDenied> {
        let place = self.place();
        let mut right = Right::new(
            action,
            match resource {
                Resource::Catalog => place.arn("glue", "catalog"),
                Resource::Database { name } => place.arn("glue", &format!("database/{name}")),
                Resource::Table { database, name } => place.arn("glue", &format!("table/{database}/{name}")),
                Resource::Bucket { name, .. } => format!("arn:aws:s3:::{name}"),
                Resource::Object(uri) => format!("arn:aws:s3:::{}/{}", uri.bucket, uri.key),
            },
        );
        if let Resource::Bucket { prefix: Some(prefix), .. } = resource {
            right.context.insert("s3:prefix".to_owned(), prefix.clone());
        }
        Session::check(self, &right).map_err(|denied| AccessDenied { message: denied.message })
    }
}
