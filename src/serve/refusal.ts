/** Error codes of the distribution-spec ("Error Codes"), docker's TAG_INVALID and UNKNOWN among them, with their usual status. */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  PAGINATION_NUMBER_INVALID: 400,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
} as const;

export type RefusalCode = keyof typeof STATUS;

/** What a client asked for and does not get. Its message is sent: it never holds a path of this machine. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RefusalCode, message: string, details: { readonly status?: number; readonly headers?: Record<string, string> } = {}) {
    super(message);
    this.code = code;
    this.status = details.status ?? STATUS[code];
    this.headers = details.headers ?? {};
  }
}
