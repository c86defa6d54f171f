"""Answers of cgminer's relatives, as real firmware gives them, shortened."""

import json
from collections.abc import Mapping

from proxy.devices.cgminer import Answers, parsed

_OK = {"STATUS": "S", "When": 1764000000, "Code": 11, "Msg": "Summary", "Description": "cgminer 4.11.1"}
_POOLS = {
    "STATUS": [_OK],
    "POOLS": [
        {"POOL": 0, "URL": "stratum+tcp://pool.example.org:3333", "Status": "Dead", "User": "a.one"},
        {
            "POOL": 1,
            "URL": "stratum+tcp://192.168.1.2:3351",
            "Status": "Alive",
            "User": "bc1qexample.garage",
            "Stratum Active": True,
        },
    ],
}

NANO_3S = {
    "version": {
        "STATUS": [_OK],
        "VERSION": [{"CGMiner": "4.11.1", "API": "3.7", "PROD": "Avalon Nano3s", "MODEL": "Nano3s"}],
    },
    "summary": {"STATUS": [_OK], "SUMMARY": [{"Elapsed": 10027, "MHS av": 6695187.11, "MHS 5s": 6598842.0}]},
    "estats": {
        "STATUS": [_OK],
        "STATS": [
            {
                "STATS": 0,
                "ID": "AVALON0",
                "MM Count": 1,
                "MM ID0": (
                    "Ver[Nano3s-25021401_56abae7] FW[Release] SYSTEMSTATU[Work: In Work, Hash Board: 1] "
                    "Elapsed[10027] ITemp[-273] OTemp[65] TMax[95] TAvg[90] TarT[90] Fan1[1520] FanR[33%] "
                    "PS[0 0 27541 4 0 3756 133] GHSspd[6598.84] GHSavg[6695.18] Freq[464.89] MTmax[95] MTavg[90] "
                    "Core[A3197S] SoftOFF[0] ECHU[0] ECMM[0] PVT_T0[ 85  91] MPO[140]"
                ),
            }
        ],
    },
    "pools": _POOLS,
}

ANTMINER = {
    "version": {"STATUS": [_OK], "VERSION": [{"CGMiner": "4.11.1", "Miner": "49.0.1.3", "Type": "Antminer S19 XP"}]},
    "summary": {"STATUS": [_OK], "SUMMARY": [{"Elapsed": 5000, "GHS 5s": "135349.88", "GHS av": 134000.1}]},
    "stats": {
        "STATUS": [_OK],
        "STATS": [
            {"CGMiner": "4.11.1", "Type": "Antminer S19 XP"},
            {
                "STATS": 0,
                "fan_num": 4,
                "fan1": 5880,
                "fan2": 5760,
                "fan3": 0,
                "fan4": 5790,
                "temp1": 52,
                "temp2_1": 66,
                "temp2_2": 68,
                "temp_chip1": "44-44-70-71",
                "frequency": 525,
                "total_freqavg": 529.13,
                "chain_power": "3010 W",
            },
        ],
    },
    "pools": _POOLS,
}

WHATSMINER = {
    "version": {"STATUS": "E", "When": 1764000000, "Code": 14, "Msg": "invalid cmd", "Description": "whatsminer v1.1"},
    "summary": {
        "STATUS": [_OK],
        "SUMMARY": [
            {
                "Elapsed": 9000,
                "MHS av": 103300000.0,
                "MHS 5s": 101250000.0,
                "HS RT": 101250000.0,
                "Uptime": 9120,
                "Temperature": 75.0,
                "Chip Temp Max": 91.3,
                "freq_avg": 640,
                "Fan Speed In": 4530,
                "Fan Speed Out": 4560,
                "Power": 3288,
                "Power Mode": "Normal",
                "Firmware Version": "'20230911.12.Rel'",
                "Error Code Count": 1,
                "Error Code 0": 206,
            }
        ],
    },
    "devdetails": {"STATUS": [_OK], "DEVDETAILS": [{"DEVDETAILS": 0, "Name": "SM", "Model": "M30S++VH40"}]},
    "pools": _POOLS,
}

BRAIINS = {
    "version": {
        "STATUS": [_OK],
        "VERSION": [{"API": "3.7", "BOSer": "2024-06-04-0-3f0a8a2c-24.06-plus"}],
    },
    "summary": {"STATUS": [_OK], "SUMMARY": [{"Elapsed": 700, "MHS 5s": 13_500_000.5, "MHS av": 13_400_000.0}]},
    "temps": {
        "STATUS": [_OK],
        "TEMPS": [{"Board": 61.5, "Chip": 78.0, "ID": 6}, {"Board": 60.0, "Chip": 81.5, "ID": 7}],
    },
    "fans": {"STATUS": [_OK], "FANS": [{"FAN": 0, "ID": 0, "RPM": 3600, "Speed": 60}]},
    "tunerstatus": {"STATUS": [_OK], "TUNERSTATUS": [{"ApproximateMinerPowerConsumption": 1190, "PowerLimit": 1200}]},
    "devdetails": {"STATUS": [_OK], "DEVDETAILS": [{"Model": "Antminer S9", "Frequency": 650, "Voltage": 8.9}]},
    "pools": _POOLS,
}

PLAIN = {
    "version": {"STATUS": [_OK], "VERSION": [{"CGMiner": "4.11.1", "API": "3.7"}]},
    "summary": {"STATUS": [_OK], "SUMMARY": [{"Elapsed": 60, "MHS av": 400_000.0}]},
    "stats": {"STATUS": [_OK], "STATS": [{"STATS": 0, "ID": "GSF0"}]},
    "devs": {"STATUS": [_OK], "DEVS": [{"ASC": 0, "Temperature": 48.0}]},
    "pools": _POOLS,
}


def answers(recorded: Mapping[str, object]) -> Answers:
    """``recorded`` as it comes over the wire."""
    found = Answers()
    for command, answer in recorded.items():
        found.add(command, parsed(json.dumps(answer).encode() + b"\x00"))
    return found
