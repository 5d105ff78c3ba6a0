"""What each step is told, as types: `npm run contract` writes them from components/origin-host/payload.ts."""

from __future__ import annotations

from typing import Literal, TypedDict


class FirewallPayloadSite(TypedDict):
    hostname: str
    serves: Literal["immich", "shares"]
    upstream: str


class FirewallPayloadRanges(TypedDict):
    ipv4: list[str]
    ipv6: list[str]


class FirewallPayload(TypedDict):
    owner: str
    sites: list[FirewallPayloadSite]
    ranges: FirewallPayloadRanges
    sshPort: int
    homeNetworks: list[str]
    sshFrom: list[str]
    keepOpen: list[str]
    confirmSeconds: int
    closeOthers: bool
    originPort: int


class FirewallRemovePayloadSite(TypedDict):
    hostname: str
    serves: Literal["immich", "shares"]
    upstream: str


class FirewallRemovePayloadRanges(TypedDict):
    ipv4: list[str]
    ipv6: list[str]


class FirewallRemovePayload(TypedDict):
    owner: str
    sites: list[FirewallRemovePayloadSite]
    ranges: FirewallRemovePayloadRanges
    sshPort: int
    homeNetworks: list[str]
    sshFrom: list[str]
    keepOpen: list[str]
    confirmSeconds: int
    closeOthers: bool
    originPort: int


class CertificatesPayloadSite(TypedDict):
    hostname: str
    certificate: str
    privateKey: str
    clientCa: str


class CertificatesPayload(TypedDict):
    after: str
    sites: list[CertificatesPayloadSite]


class NginxPayloadSite(TypedDict):
    hostname: str
    serves: Literal["immich", "shares"]
    upstream: str
    audience: str | None


class NginxPayload(TypedDict):
    owner: str
    after: str
    teamDomain: str | None
    originPort: int
    sites: list[NginxPayloadSite]


class SiteRemovePayload(TypedDict):
    owner: str
    hostname: str


class FormerPortClosePayload(TypedDict):
    owner: str
    after: str


class DoctorPayloadSite(TypedDict):
    hostname: str
    serves: Literal["immich", "shares"]
    upstream: str
    tokenCheck: bool
    audience: str | None


class DoctorPayload(TypedDict):
    sshPort: int
    homeNetworks: list[str]
    sshFrom: list[str]
    keepOpen: list[str]
    confirmSeconds: int
    originPort: int
    sites: list[DoctorPayloadSite]


class SurveyPayload(TypedDict):
    hostname: str
    sshPort: int
    keepOpen: list[str]
    originPort: int
