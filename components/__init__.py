"""What Zhijian does: each folder a step along which the data flows, each pure inside and with files at its edge."""
