#!/bin/sh
retire "$GL_RELEASE"
