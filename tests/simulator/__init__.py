"""The simulator is a judge: these tests judge the judge."""
