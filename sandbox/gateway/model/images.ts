import { createHash } from "node:crypto";

export type Architecture = "x86_64" | "arm64";

export interface Image {
  name: string;
  /** As config.yaml calls it: `ubuntu-22.04`. */
  release: string;
  description: string;
  owner: string;
  architecture: Architecture;
  rootDevice: string;
  created: string;
  /** Public SSM parameters that name this image. */
  parameters: string[];
}

const CANONICAL = "099720109477";
const DEBIAN = "136693071363";

const architectures: { architecture: Architecture; word: string }[] = [
  { architecture: "x86_64", word: "amd64" },
  { architecture: "arm64", word: "arm64" },
];

/**
 * Canonical's releases: names as its DescribeImages shows them, parameters as in its guide "Find Ubuntu images with
 * SSM" (24.04 lives under ebs-gp3, 22.04 under ebs-gp2). Two builds each, so that "the newest" means something.
 */
const ubuntus = [
  { version: "22.04", codename: "jammy", volume: "ebs-gp2", folder: "hvm-ssd", builds: ["20250819", "20251015"] },
  { version: "24.04", codename: "noble", volume: "ebs-gp3", folder: "hvm-ssd-gp3", builds: ["20250821", "20251022"] },
];

/** Debian's images: names as in wiki.debian.org/Cloud/AmazonEC2Image/Bookworm. */
const debians = [{ version: "12", builds: ["20250814-2204", "20251006-2257"] }];

const dateOf = (build: string): string =>
  `${build.slice(0, 4)}-${build.slice(4, 6)}-${build.slice(6, 8)}T08:00:00.000Z`;

function ubuntuImages(): Image[] {
  return ubuntus.flatMap(({ version, codename, volume, folder, builds }) =>
    architectures.flatMap(({ architecture, word }) =>
      builds.map((build, index) => ({
        release: `ubuntu-${version}`,
        name: `ubuntu/images/${folder}/ubuntu-${codename}-${version}-${word}-server-${build}`,
        description: `Canonical, Ubuntu, ${version}, ${word} ${codename} image`,
        owner: CANONICAL,
        architecture,
        rootDevice: "/dev/sda1",
        created: dateOf(build),
        parameters: [
          `/aws/service/canonical/ubuntu/server/${version}/stable/${build}/${word}/hvm/${volume}/ami-id`,
          ...(index === builds.length - 1
            ? [version, codename].map(
                (name) => `/aws/service/canonical/ubuntu/server/${name}/stable/current/${word}/hvm/${volume}/ami-id`,
              )
            : []),
        ],
      })),
    ),
  );
}

function debianImages(): Image[] {
  return debians.flatMap(({ version, builds }) =>
    architectures.flatMap(({ architecture, word }) =>
      builds.map((build, index) => ({
        release: `debian-${version}`,
        name: `debian-${version}-${word}-${build}`,
        description: `Debian ${version} (${build})`,
        owner: DEBIAN,
        architecture,
        rootDevice: "/dev/xvda",
        created: dateOf(build),
        parameters: index === builds.length - 1 ? [`/aws/service/debian/release/${version}/latest/${word}`] : [],
      })),
    ),
  );
}

/** The images of every region. Their ids differ from region to region, as AWS's do. */
export const images: readonly Image[] = [...ubuntuImages(), ...debianImages()];

export function imageId(image: Image, region: string): string {
  return `ami-0${createHash("sha256").update(`${region}/${image.name}`).digest("hex").slice(0, 16)}`;
}

/** The id behind a public parameter in a region; undefined for a name that nobody publishes. */
export function imageIdByParameter(parameter: string, region: string): string | undefined {
  const image = images.find(({ parameters }) => parameters.includes(parameter));
  return image && imageId(image, region);
}

/** The release that an image of a region holds; undefined for one that nobody publishes. */
export function releaseOf(id: string, region: string): string | undefined {
  return images.find((image) => imageId(image, region) === id)?.release;
}

/** The images of a region in the form of moto's own image files. */
export function motoImages(region: string): object[] {
  return images.map((image) => ({
    ami_id: imageId(image, region),
    name: image.name,
    description: image.description,
    owner_id: image.owner,
    owner_alias: image.owner === CANONICAL ? "amazon" : undefined,
    public: true,
    virtualization_type: "hvm",
    architecture: image.architecture,
    state: "available",
    image_type: "machine",
    image_location: `${image.owner === CANONICAL ? "amazon" : image.owner}/${image.name}`,
    hypervisor: "xen",
    root_device_name: image.rootDevice,
    root_device_type: "ebs",
    sriov: "simple",
    creation_date: image.created,
  }));
}
