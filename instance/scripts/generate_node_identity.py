#!/usr/bin/python3
"""
Makes a node's identity out of its instance id and nothing else: no clock, no network, the same bytes each time.

    INSTANCE_ID=i-test python3 generate_node_identity.py
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

COORDINATE_NOISE_DEGREES = 0.01
EPOCH = date(2025, 1, 1)


@dataclass(frozen=True)
class City:
    name: str
    state: str
    latitude: float
    longitude: float
    timezone: str


@dataclass(frozen=True)
class Maker:
    name: str
    models: tuple[str, str, str]


# The order of these tables is part of every identity: append nothing, reorder nothing.
CITIES = (
    City("San Francisco", "CA", 37.7749, -122.4194, "America/Los_Angeles"),
    City("Austin", "TX", 30.2672, -97.7431, "America/Chicago"),
    City("Seattle", "WA", 47.6062, -122.3321, "America/Los_Angeles"),
    City("Denver", "CO", 39.7392, -104.9903, "America/Denver"),
    City("Miami", "FL", 25.7617, -80.1918, "America/New_York"),
    City("Boston", "MA", 42.3601, -71.0589, "America/New_York"),
    City("Chicago", "IL", 41.8781, -87.6298, "America/Chicago"),
    City("Atlanta", "GA", 33.749, -84.388, "America/New_York"),
    City("Portland", "OR", 45.5152, -122.6784, "America/Los_Angeles"),
    City("Phoenix", "AZ", 33.4484, -112.074, "America/Phoenix"),
    City("Nashville", "TN", 36.1627, -86.7816, "America/Chicago"),
    City("San Diego", "CA", 32.7157, -117.1611, "America/Los_Angeles"),
    City("Dallas", "TX", 32.7767, -96.797, "America/Chicago"),
    City("Minneapolis", "MN", 44.9778, -93.265, "America/Chicago"),
    City("Charlotte", "NC", 35.2271, -80.8431, "America/New_York"),
)
MAKERS = (
    Maker("AcmeSensors", ("EnviroPro-3000", "WeatherSense-XL", "AirQuality-Plus")),
    Maker("EcoTech", ("EcoSensor-Pro", "ClimateTracker-500", "GreenMonitor-2")),
    Maker("WeatherFlow", ("Tempest-Pro", "SkyTracker-7", "StormWatch-3D")),
    Maker("SensorMax", ("MaxObserver-4K", "UltraSense-Pro", "PrecisionEnv-8")),
    Maker("DataLogger", ("EnviroLogger-360", "ClimateScope-Pro", "AirData-Plus")),
)
DEPLOYMENT_TYPES = ("rooftop", "street_pole", "ground_station", "mobile_unit")


def generate_identity(instance_id: str) -> dict[str, object]:
    """The identity of an instance. Raises ValueError for an empty id."""
    if not instance_id:
        raise ValueError("an identity needs an instance id")
    # MD5 spreads ids over the tables; nothing here is a secret.
    seed = int(hashlib.md5(instance_id.encode(), usedforsecurity=False).hexdigest(), 16)
    noise = random.Random(seed)
    city = CITIES[seed % len(CITIES)]
    maker = MAKERS[seed // 100 % len(MAKERS)]
    latitude = city.latitude + noise.uniform(-COORDINATE_NOISE_DEGREES, COORDINATE_NOISE_DEGREES)
    longitude = city.longitude + noise.uniform(-COORDINATE_NOISE_DEGREES, COORDINATE_NOISE_DEGREES)
    number = seed // 15 % 9999 + 1
    installed = EPOCH - timedelta(days=seed % 730)
    manufactured = installed - timedelta(days=30 + seed % 365)
    return {
        "sensor_id": f"SENSOR_{city.state}_{city.name[:3].upper()}_{number:04d}",
        "location": {
            "city": city.name,
            "state": city.state,
            "coordinates": {"latitude": round(latitude, 6), "longitude": round(longitude, 6)},
            "timezone": city.timezone,
            "address": f"{city.name}, {city.state}, USA",
        },
        "device_info": {
            "manufacturer": maker.name,
            "model": maker.models[seed // 1000 % 3],
            "firmware_version": f"{seed // 10**4 % 5 + 1}.{seed // 10**5 % 20}.{seed // 10**6 % 50}",
            "serial_number": f"{maker.name}-{seed % 10**6:06d}",
            "manufacture_date": manufactured.isoformat(),
        },
        "deployment": {
            "deployment_type": DEPLOYMENT_TYPES[seed % len(DEPLOYMENT_TYPES)],
            "installation_date": installed.isoformat(),
            "height_meters": round(2.0 + seed % 480 / 10, 1),
            "orientation_degrees": seed % 360,
        },
        "metadata": {
            "instance_id": instance_id,
            # sensor_id collides (about 4 in 1,000 nodes); this one does not.
            "sensor_uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"ec2:{instance_id}")),
            "generation_seed": str(seed),
            "sensor_type": "environmental_monitoring",
        },
    }


def identity_text(instance_id: str) -> str:
    """The identity as the node's file holds it, byte for byte."""
    return json.dumps(generate_identity(instance_id), indent=2, ensure_ascii=False) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the identity of a node out of its instance id.")
    parser.add_argument("--instance-id", default=os.environ.get("INSTANCE_ID", ""), help="default: $INSTANCE_ID")
    parser.add_argument("--output", default="-", metavar="FILE", help="file to write; - is stdout, the default")
    chosen = parser.parse_args(argv)
    if not chosen.instance_id:
        print("no instance id: set INSTANCE_ID or give --instance-id", file=sys.stderr)
        return 2
    text = identity_text(chosen.instance_id)
    if chosen.output == "-":
        sys.stdout.write(text)
        return 0
    try:
        Path(chosen.output).write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"cannot write the identity: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
