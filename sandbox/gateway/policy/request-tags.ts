/** A tag that a call names; one to be deleted may have no value. */
export type Tags = { key: string; value?: string }[];

/** The tags of one list in a form: `Tag.1.Key`, `Tag.1.Value`, ... */
export function tagList(params: URLSearchParams, list: string): Tags {
  const tags: Tags = [];
  for (let at = 1; params.has(`${list}.${at}.Key`); at++)
    tags.push({
      key: params.get(`${list}.${at}.Key`) as string,
      value: params.get(`${list}.${at}.Value`) ?? undefined,
    });
  return tags;
}

function specifications(params: URLSearchParams): { type: string; tags: Tags }[] {
  const found: { type: string; tags: Tags }[] = [];
  for (let at = 1; params.has(`TagSpecification.${at}.ResourceType`); at++)
    found.push({
      type: params.get(`TagSpecification.${at}.ResourceType`) as string,
      tags: tagList(params, `TagSpecification.${at}.Tag`).map(({ key, value = "" }) => ({ key, value })),
    });
  return found;
}

/** The tags that a creating call asks for on what it makes of a type. */
export const requestTags = (params: URLSearchParams, type: string): Tags =>
  specifications(params).flatMap((specification) => (specification.type === type ? specification.tags : []));

/** The types on which it asks for any. */
export const taggedTypes = (params: URLSearchParams): string[] => [
  ...new Set(specifications(params).flatMap(({ type, tags }) => (tags.length > 0 ? type : []))),
];
