"""What a wheel holds: the packages, and inside ``dpmp_site`` the templates and the documents for operators."""

from setuptools import find_namespace_packages, setup

OURS = ["dashboard", "dpmp_site", "proxy"]

setup(
    packages=[
        *find_namespace_packages(include=[pattern for name in OURS for pattern in (name, f"{name}.*")]),
        "dpmp_site.templates",
        "dpmp_site.docs",
    ],
    package_dir={"dpmp_site.templates": "templates", "dpmp_site.docs": "docs"},
    package_data={
        "dashboard": ["static/**/*", "locale/**/*"],
        "proxy": ["locale/**/*"],
        "dpmp_site.templates": ["**/*.html"],
        "dpmp_site.docs": ["*.md", "monitoring/*"],
    },
    include_package_data=False,
)
