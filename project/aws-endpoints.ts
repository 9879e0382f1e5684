/** The services that this program and its provider ask, by the names of AWS's endpoint settings. */
const SERVICES = ["ec2", "sts", "ssm", "service_quotas"] as const;
export type EndpointService = (typeof SERVICES)[number];

/** URL by service, for those that are asked elsewhere than at AWS. */
export type Endpoints = Partial<Record<EndpointService, string>>;

/** What AWS's own hosts, private endpoints included, are called (AWS General Reference, "AWS service endpoints"). */
const AWS_HOST =
  /\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws|api\.amazonwebservices\.com\.cn|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov)$/;

/** Reads endpoints as the stack's configuration holds them. */
export function parseEndpoints(value: unknown): Endpoints | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.fromEntries(
    SERVICES.flatMap((service) => {
      const url = (value as Record<string, unknown>)[service];
      return typeof url === "string" ? [[service, url]] : [];
    }),
  );
}

type Section = Record<string, string | undefined>;

/**
 * The endpoints outside AWS to which the settings of an environment lead, in the order in which AWS's SDKs look: a
 * service's own variable, the variable for all, the profile's `services` section, the profile's `endpoint_url`
 * (AWS SDKs and Tools Reference, "Service-specific endpoints"). The sandbox is no such place: it has rules of its own.
 */
export async function foreignEndpoints(env: NodeJS.ProcessEnv): Promise<Endpoints> {
  const { profile, services } = await sharedSettings(env);
  if (isTrue(env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS ?? profile.ignore_configured_endpoint_urls)) return {};
  const found = SERVICES.flatMap((service) => {
    const url =
      env[`AWS_ENDPOINT_URL_${service.toUpperCase()}`] ||
      env.AWS_ENDPOINT_URL ||
      services[`${service}.endpoint_url`] ||
      profile.endpoint_url;
    return url && !isAws(url) ? [[service, url] as const] : [];
  });
  return Object.fromEntries(found);
}

/** One line for people: `ec2 http://localhost:4566, sts http://localhost:4566`; `AWS` for none. */
export function endpointsText(endpoints: Endpoints): string {
  const entries = Object.entries(endpoints).sort();
  const [first, ...others] = new Set(entries.map(([, url]) => url));
  if (first === undefined) return "AWS";
  if (others.length === 0 && entries.length === SERVICES.length) return first;
  return entries.map(([service, url]) => `${service} at ${url}`).join(", ");
}

/** The chosen profile's settings, and those of the `services` section that it names. Missing files are empty ones. */
async function sharedSettings(env: NodeJS.ProcessEnv): Promise<{ profile: Section; services: Section }> {
  // Commands that never come here load nothing of the SDK.
  const { loadSharedConfigFiles } = await import("@smithy/core/config");
  const { configFile, credentialsFile } = await loadSharedConfigFiles({
    configFilepath: env.AWS_CONFIG_FILE,
    filepath: env.AWS_SHARED_CREDENTIALS_FILE,
    ignoreCache: true,
  });
  const name = env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE || "default";
  const profile = { ...configFile[name], ...credentialsFile[name] };
  return { profile, services: configFile[`services.${profile.services ?? ""}`] ?? {} };
}

const isTrue = (text: string | undefined): boolean => text?.toLowerCase() === "true";

/** A text that is no URL leads nowhere that is known to be AWS. */
function isAws(url: string): boolean {
  return URL.canParse(url) && AWS_HOST.test(new URL(url).hostname);
}
