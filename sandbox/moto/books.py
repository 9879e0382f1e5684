"""What moto keeps differently from EC2, put right where the state lives.

moto is pinned (requirements.txt), so its internals may be relied upon; `apply` raises when one has moved, and the
sandbox then does not start. What EC2 *refuses* is no business of this file: the gateway does that.
"""

import copy
import hashlib
import threading
from typing import Any

from moto.ec2 import utils
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import amis, ec2_backends, elastic_ip_addresses, elastic_network_interfaces
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.network_acls import NetworkAcl
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend, VPCEndPoint
from moto.ec2.models.vpn_connections import VPNConnection
from moto.ec2.responses.instances import InstanceResponse
from moto.kms import models as kms


class NoFreeAddress(EC2ClientError):
    def __init__(self) -> None:
        super().__init__("InsufficientFreeAddressesInSubnet", "The sandbox's network has no free address left.")


class AddressPool:
    """Public addresses of the sandbox's own network, in order; one comes back only after all others were used."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.next = 0
        self.lock = threading.Lock()

    def take(self) -> str:
        with self.lock:
            held = held_addresses() if self.next >= len(self.addresses) else set()
            for _ in self.addresses:
                address = self.addresses[self.next % len(self.addresses)]
                self.next += 1
                if address not in held:
                    return address
        raise NoFreeAddress()


def held_addresses() -> set[str]:
    """Public addresses of interfaces and elastic addresses in all accounts and regions touched so far."""
    backends = [backend for regions in list(ec2_backends.values()) for backend in list(regions.values())]
    return {eni.public_ip for backend in backends for eni in list(backend.enis.values()) if eni.public_ip} | {
        address.public_ip for backend in backends for address in list(backend.addresses)
    }


def spot_request_id(instance: Any) -> str | None:
    """RunInstances of a spot instance makes a request with an id of its own; moto makes none."""
    if instance.lifecycle != "spot":
        return None
    return "sir-" + hashlib.sha256(instance.id.encode()).hexdigest()[:8]


BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")


def begin_termination(instance: Any, reason: tuple[str, str] = BY_USER) -> Any:
    """EC2 shows `shutting-down` and why, with interfaces and address still held, until the host behind it is gone."""
    previous = copy.copy(instance._state)
    if previous.name not in ("shutting-down", "terminated"):
        instance._state.name, instance._state.code = "shutting-down", 32
        instance.state_reason.code, instance.state_reason.message = reason
    return previous


original_terminate = Instance.terminate
original_association = NetworkInterface.association
original_prep_nics = Instance.prep_nics
original_create_default_vpc = VPCBackend.create_default_vpc
original_nat_gateway = NatGateway.__init__
original_delete_nat_gateway = NatGatewayBackend.delete_nat_gateway
original_create_vpc_endpoint = VPCBackend.create_vpc_endpoint
original_delete_subnet = SubnetBackend.delete_subnet
original_create_volume = EBSBackend.create_volume


def finish_termination(instance: Any, reason: tuple[str, str]) -> None:
    """The host is gone: release what the instance held."""
    if instance.state == "terminated":
        return
    original_terminate(instance)
    instance.state_reason.code, instance.state_reason.message = reason


def forget(instance: Any, _reason: tuple[str, str]) -> None:
    """AWS shows an instance that has ended for about an hour; after that nothing knows its id or its tags."""
    backend = instance.ec2_backend
    backend.tags.pop(instance.id, None)
    for key, reservation in list(backend.reservations.items()):
        reservation.instances = [one for one in reservation.instances if one.id != instance.id]
        if not reservation.instances:
            del backend.reservations[key]


def prep_nics(instance: Any, nic_spec: list[dict[str, Any]], *args: Any, **kwargs: Any) -> None:
    """An interface that is made at launch ends with its instance unless the launch says otherwise (moto: it stays)."""
    kept = {
        int(nic.get("DeviceIndex", 0))
        for nic in nic_spec or []
        if nic.get("NetworkInterfaceId") or nic.get("DeleteOnTermination") is False
    }
    original_prep_nics(instance, nic_spec, *args, **kwargs)
    for index, nic in instance.nics.items():
        if int(index) not in kept:
            nic.delete_on_termination = True


def groups_of(instance: Any) -> list[Any]:
    """An instance shows the groups of its first interface (moto: those that the launch named beside its interfaces)."""
    first = getattr(instance, "nics", {}).get(0)
    return first._group_set if first else instance.launched_groups


def set_groups(instance: Any, groups: list[Any]) -> None:
    """Also by ModifyInstanceAttribute, which changes those of the interface."""
    instance.launched_groups = groups
    first = getattr(instance, "nics", {}).get(0)
    if first:
        first._group_set = groups


original_security_groups = InstanceResponse._security_grp_instance_attribute_handler


def security_groups_attribute(request: Any) -> Any:
    """Only where there are any (moto: an attribute that it does not know takes an instance's groups away)."""
    return bool(request._get_param("Groups")) and original_security_groups(request)


def association(eni: Any) -> Any:
    """Without a public address there is none (moto: an empty one)."""
    return original_association.fget(eni) or None


def create_default_vpc(backend: Any) -> Any:
    """The default VPC has a gateway, and its main table a route to it ("Default VPCs", VPC User Guide; moto: neither)."""
    vpc = original_create_default_vpc(backend)
    gateway = backend.create_internet_gateway()
    backend.attach_internet_gateway(gateway.id, vpc.id)
    (table,) = backend.describe_route_tables(filters={"vpc-id": vpc.id, "association.main": "true"})
    backend.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
    return vpc


def kept_by_aws(eni: Any, kind: str, description: str) -> None:
    """An interface that AWS makes for something of its own: in use, and nobody else's to change (moto: free)."""
    eni.requester_managed, eni.interface_type, eni.status, eni.description = True, kind, "in-use", description


def make_nat_gateway(gateway: Any, *args: Any, **kwargs: Any) -> None:
    original_nat_gateway(gateway, *args, **kwargs)
    kept_by_aws(gateway._eni, "nat_gateway", f"Interface for NAT Gateway {gateway.id}")


def delete_nat_gateway(backend: Any, nat_gateway_id: str) -> Any:
    """Its interface ends with it, and lets go of its address (moto: both stay)."""
    gateway = original_delete_nat_gateway(backend, nat_gateway_id)
    for address in backend.addresses:
        if address.eni is gateway._eni:
            backend.disassociate_address(address=address.public_ip)
    backend.enis.pop(gateway._eni.id, None)
    return gateway


def create_vpc_endpoint(backend: Any, *args: Any, **kwargs: Any) -> Any:
    endpoint = original_create_vpc_endpoint(backend, *args, **kwargs)
    for eni_id in endpoint.network_interface_ids or []:
        kept_by_aws(backend.enis[eni_id], "vpc_endpoint", f"VPC Endpoint Interface {endpoint.id}")
    return endpoint


def delete_subnet(backend: Any, subnet_id: str) -> Any:
    """No ACL has it any more (moto: its ACL keeps it, and can never go)."""
    subnet = original_delete_subnet(backend, subnet_id)
    for acl in backend.network_acls.values():
        for key in [key for key, association in acl._associations.items() if association.subnet_id == subnet_id]:
            del acl._associations[key]
    return subnet


def create_volume(backend: Any, *args: Any, **kwargs: Any) -> Any:
    """A gp3 volume for which no throughput is asked has 125 MiB/s ("Amazon EBS volume types"; moto: none)."""
    volume = original_create_volume(backend, *args, **kwargs)
    if volume.volume_type == "gp3" and not volume.throughput:
        volume.throughput = 125
    return volume


def block_devices(image: Any) -> list[dict[str, Any]]:
    """The root volume of Canonical's and Debian's images: 8 GiB, gone with its instance."""
    root = {"SnapshotId": image.ebs_snapshot.id, "VolumeSize": 8, "DeleteOnTermination": True, "VolumeType": "gp3"}
    return [{"DeviceName": image.root_device_name, "Ebs": {**root, "Encrypted": False}}]


def replace(owner: Any, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        raise RuntimeError(f"moto changed: {owner.__name__} has no {name}")
    setattr(owner, name, value)


def apply(addresses: list[str], images: dict[str, list[dict[str, Any]]]) -> None:
    """Call once, before the first request. `images` are the machine images by region."""
    pool = AddressPool(addresses)
    replace(elastic_network_interfaces, "random_public_ip", pool.take)
    replace(elastic_ip_addresses, "random_ip", pool.take)
    # A name that a resolver could turn into a real machine's address must not exist: the address is its own name.
    replace(Instance, "public_dns_name", property(lambda instance: instance.public_ip or ""))

    replace(Instance, "terminate", begin_termination)
    replace(Instance, "prep_nics", prep_nics)
    replace(InstanceResponse, "_security_grp_instance_attribute_handler", security_groups_attribute)
    Instance.security_groups = property(groups_of, set_groups)
    # Those of the instance among them, which it was made with.
    replace(NetworkInterface, "group_set", property(lambda eni: eni._group_set))
    replace(NetworkInterface, "association", property(association))
    Instance.spot_instance_request_id = property(spot_request_id)
    replace(VPCBackend, "create_default_vpc", create_default_vpc)
    replace(SubnetBackend, "delete_subnet", delete_subnet)
    replace(EBSBackend, "create_volume", create_volume)
    replace(NatGateway, "__init__", make_nat_gateway)
    replace(NatGatewayBackend, "delete_nat_gateway", delete_nat_gateway)
    replace(VPCBackend, "create_vpc_endpoint", create_vpc_endpoint)

    # Each region's first volume makes the key that encrypts volumes, and moto an RSA pair for it: a tenth of a second for
    # what a symmetric key does not have, in a service that nobody can ask.
    replace(kms, "generate_private_key", lambda _key_spec: None)

    # Filters of DescribeInstances that EC2 knows and moto answers with HTTP 500.
    utils.filter_dict_attribute_mapping.update(
        {
            "client-token": "client_token",
            "instance-lifecycle": "lifecycle",
            "spot-instance-request-id": "spot_instance_request_id",
            "network-interface.vpc-id": "vpc_id",
            "network-interface.subnet-id": "subnet_id",
        }
    )

    # Ids that EC2 can be asked for by a filter; moto answers with an error.
    VPCEndPoint.vpc_endpoint_id = property(lambda endpoint: endpoint.id)
    VPNConnection.vpn_connection_id = property(lambda connection: connection.id)
    NetworkAcl.network_acl_id = property(lambda acl: acl.id)

    replace(amis.Ami, "block_device_mappings", property(block_devices))

    def load_images(backend: Any) -> None:
        for image in images.get(backend.region_name, []):
            fields = {**image, "creation_date": amis.parse_timestamp(image["creation_date"])}
            backend.amis[image["ami_id"]] = amis.Ami(backend, **fields)

    replace(amis.AmiBackend, "_load_amis", load_images)
