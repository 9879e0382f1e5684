/** The URLs that the engine takes for a state backend. */
export const BACKEND_URL = /^(file|https?|s3|gs|azblob):\/\/.*$/;

/** The same in words. */
export const BACKEND_FORMS = "the URL of a state backend: file://, https://, s3://, gs:// or azblob://";
