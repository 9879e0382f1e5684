import { paths } from "../layout";

/**
 * Keys under `aws:` of the predecessor's files that mean nothing here. They are accepted, so that an old file works as
 * it stands, each with a warning that says what stands in its place. To add one, add a row.
 */
export const legacyAwsKeys: Readonly<Record<string, string>> = {
  additional_commands_script: "put commands into a unit of your own, files/systemd/NAME.service",
  associate_public_ip: "every node has a public address: it is reached by SSH",
  bacalhau_config_template: "the templates are those in instance/config",
  bacalhau_data_dir: `the directory is always ${paths.bacalhauData}`,
  bacalhau_node_dir: `the directory is always ${paths.bacalhauNode}`,
  cloud_init_template: "user data is made by the program; add packages with the top-level key `packages`",
  docker_compose_template: "services are systemd units; put your own into files/systemd/NAME.service",
  ensure_default_vpc: "use the top-level key `network: create` (the default) or `network: default`",
  security_group_name: "the fleet makes its own group; attach others with `security_groups`",
  startup_script: "the script is always startup.py in `scripts_directory`",
  subnet_id: "subnets are chosen by availability zone; name the VPC with the top-level key `network: vpc-…`",
  use_dedicated_vpc: "use the top-level key `network: create` (the default) or `network: default`",
  vpc_id: "use the top-level key `network: vpc-…`",
};
